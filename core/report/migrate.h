/* Databases of older versions brought to today's schema. */
#ifndef REPORT_MIGRATE_H
#define REPORT_MIGRATE_H

#include "report/sql.h"

/* Within the caller's transaction: tables, indexes and views become those of `schema` (statements as in schema.sql). All rows stay,
 * those of a table whose definition changed column by column: what older versions did not know is NULL or the column's default.
 * What else is in the file stays as it is. The caller sets the version, and fills what is made of other tables. */
cvy_status migrate(sql *s, const char *schema, errors *e);

#endif
