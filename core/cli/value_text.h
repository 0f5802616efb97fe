/* A value of the database as text: in a table, in CSV, in JSON, in SQL. */
#ifndef CLI_VALUE_TEXT_H
#define CLI_VALUE_TEXT_H

#include "base/json.h"
#include "base/text.h"
#include "report/user_query.h"

void value_plain(
    text *t, const user_value *v); /* numbers so that they read back equal; bytes in hex; nothing for NULL */
void value_csv(text *t, const user_value *v); /* quoted where RFC 4180 wants it */
void value_csv_text(text *t, const char *s, size_t n);
void value_json(json_writer *w, const user_value *v); /* what is not finite is null */
void value_sql(text *t, const user_value *v);         /* a literal of SQLite, on one line */
void value_sql_name(text *t, const char *name);       /* of a column or a table, quoted */

#endif
