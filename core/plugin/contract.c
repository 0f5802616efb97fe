/* Owns the checks of a plugin's descriptors, so that the rest may trust them; must not know how files are
 * found. */
#include "plugin/contract.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "convoy/augment.h"
#include "convoy/dataset.h"
#include "convoy/layer.h"
#include "convoy/loss.h"
#include "convoy/optimizer.h"
#include "plugin/registry.h"

#define MAX_DESCRIPTORS 256
#define MAX_PARAMS      1000
#define MAX_CONFIG      ((size_t)1 << 20)

typedef struct check {
    place at; /* the file */
    errors *e;
    bool failed;
} check;

__attribute__((format(printf, 2, 3))) static void broken(check *c, const char *fmt, ...)
{
    text what = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&what, fmt, ap);
    va_end(ap);
    errors_add(c->e, CVY_ERR_PLUGIN, &c->at, NULL, "%s", text_str(&what));
    text_free(&what);
    c->failed = true;
}

static const cvy_param *param_at(const cvy_descriptor *d, uint32_t i)
{
    return (const cvy_param *)(const void *)((const char *)d->params + (size_t)i * d->param_size);
}

/* Size and alignment of the field that a parameter of this kind fills; false for an unknown kind. */
static bool field_of(uint32_t kind, size_t *size, size_t *align)
{
#define FIELD(T)                             \
    *size = sizeof(T), *align = _Alignof(T); \
    return true
    switch (kind) {
    case CVY_PARAM_INT:
        FIELD(int64_t);
    case CVY_PARAM_FLOAT:
        FIELD(double);
    case CVY_PARAM_BOOL:
        FIELD(int32_t);
    case CVY_PARAM_STRING:
        FIELD(const char *);
    case CVY_PARAM_ENUM:
        FIELD(int32_t);
    case CVY_PARAM_PAIR:
        FIELD(int64_t[2]);
    case CVY_PARAM_TRIPLE:
        FIELD(int64_t[3]);
    case CVY_PARAM_PADDING:
        FIELD(cvy_padding);
    case CVY_PARAM_LAYERS:
        FIELD(cvy_layers);
    case CVY_PARAM_INTS:
        FIELD(cvy_ints);
    case CVY_PARAM_FLOATS:
        FIELD(cvy_floats);
    case CVY_PARAM_CHILD:
        FIELD(cvy_child);
    case CVY_PARAM_CHILDREN:
        FIELD(cvy_children);
    case CVY_PARAM_ALSO:
        *size = 0, *align = 1;
        return true;
    default:
        return false;
    }
#undef FIELD
}

static bool reserved(const cvy_descriptor *d, const char *name)
{
    if (!strcmp(name, "type")) return true;
    return d->kind == CVY_LAYER && (!strcmp(name, "name") || !strcmp(name, "inputs"));
}

static void check_param(check *c, const cvy_descriptor *d, uint32_t i)
{
    const cvy_param *p = param_at(d, i);
    size_t size, align;
    if (!p->name || !*p->name) {
        broken(c, "parameter %u has no name", i);
        return;
    }
    errors_push(c->e, "parameter \"%s\"", p->name);
    if (!field_of(p->kind, &size, &align)) {
        broken(c, "unknown kind %u", p->kind);
    } else if (p->kind == CVY_PARAM_ALSO) {
        if (i == 0) broken(c, "CVY_ALSO must follow the parameter it speaks of");
    } else {
        if (p->offset > d->config_size || size > d->config_size - p->offset)
            broken(c, "its field (%zu bytes at offset %zu) lies outside the config struct of %zu bytes", size,
                   p->offset, d->config_size);
        else if (p->offset % align)
            broken(c, "its field's offset %zu is not a multiple of %zu", p->offset, align);
        if (p->kind == CVY_PARAM_ENUM && (!p->choices || !p->choices[0]))
            broken(c, "an enum without choices");
        if (!(p->min <= p->max)) broken(c, "its range is empty");
        if ((p->kind == CVY_PARAM_CHILD || p->kind == CVY_PARAM_CHILDREN) &&
            (p->child < CVY_LAYER || p->child > CVY_SCHEDULE))
            broken(c, "unknown kind %u of child plugin", p->child);
        if (p->kind == CVY_PARAM_PADDING && (p->child < 1 || p->child > 3))
            broken(c, "padding over %u axes, known are 1 to 3", p->child);
        if (reserved(d, p->name)) broken(c, "this name is taken by the experiment file");
        for (uint32_t k = 0; k < i; k++) {
            const cvy_param *other = param_at(d, k);
            if (other->kind != CVY_PARAM_ALSO && other->name && !strcmp(other->name, p->name))
                broken(c, "declared twice");
        }
    }
    errors_pop(c->e);
}

static void check_params(check *c, const cvy_descriptor *d)
{
    if (d->config_size == 0 || d->config_size > MAX_CONFIG) {
        broken(c, "config_size %zu is not within 1 to %zu", d->config_size, MAX_CONFIG);
        return;
    }
    if (d->n_params == 0) return;
    if (d->n_params > MAX_PARAMS) {
        broken(c, "n_params %u is above %d", d->n_params, MAX_PARAMS);
    } else if (!d->params) {
        broken(c, "n_params is %u and params is NULL", d->n_params);
    } else if (d->param_size < sizeof(cvy_param) || d->param_size % _Alignof(cvy_param)) {
        broken(c, "param_size %u is not sizeof(cvy_param), %zu", d->param_size, sizeof(cvy_param));
    } else {
        for (uint32_t i = 0; i < d->n_params; i++) check_param(c, d, i);
    }
}

/* Each kind's struct begins with its size; a longer one comes from newer headers and is welcome. */
static bool type_fits(check *c, const cvy_descriptor *d, size_t expected, const char *type)
{
    uint32_t size;
    memcpy(&size, d->type, sizeof size);
    if (size >= expected) return true;
    broken(c, "its %s has size %u, expected %zu", type, size, expected);
    return false;
}

static void check_layer(check *c, const cvy_layer *l)
{
    if (l->min_in < 0 || l->max_in < -1 || (l->max_in >= 0 && l->max_in < l->min_in))
        broken(c, "accepts %d to %d inputs: no such range", l->min_in, l->max_in);
    if (l->build) {
        if (l->infer || l->forward || l->backward || l->lower)
            broken(c, "has `build` and computes itself: a layer does one or the other");
    } else if (!l->infer || !l->forward || !l->backward) {
        broken(c, "needs `infer`, `forward` and `backward`, or `build`; it lacks%s%s%s",
               l->infer ? "" : " infer", l->forward ? "" : " forward", l->backward ? "" : " backward");
    }
}

static void check_type(check *c, const cvy_descriptor *d)
{
    if (!d->type) {
        broken(c, "type is NULL");
        return;
    }
    switch (d->kind) {
    case CVY_LAYER:
        if (type_fits(c, d, sizeof(cvy_layer), "cvy_layer")) check_layer(c, d->type);
        break;
    case CVY_LOSS: {
        const cvy_loss *l = d->type;
        if (type_fits(c, d, sizeof *l, "cvy_loss") && (!l->check || !l->evaluate))
            broken(c, "needs `check` and `evaluate`");
        break;
    }
    case CVY_OPTIMIZER: {
        const cvy_optimizer *o = d->type;
        if (type_fits(c, d, sizeof *o, "cvy_optimizer") && (!o->slots || !o->update))
            broken(c, "needs `slots` and `update`");
        break;
    }
    case CVY_DATASET: {
        const cvy_dataset *s = d->type;
        if (type_fits(c, d, offsetof(cvy_dataset, import), "cvy_dataset") &&
            (!s->open || !s->read || !s->close))
            broken(c, "needs `open`, `read` and `close`");
        break;
    }
    case CVY_AUGMENT: {
        const cvy_augment *a = d->type;
        if (type_fits(c, d, offsetof(cvy_augment, traits_of), "cvy_augment") && (!a->infer || !a->apply))
            broken(c, "needs `infer` and `apply`");
        break;
    }
    default:
        break; /* the note's kind is one of these, and the descriptor agrees with its note */
    }
}

/* Whether the descriptor may be read at all: the two first fields keep their place through every ABI. */
static bool readable(check *c, const cvy_descriptor *d, size_t i)
{
    if (d->abi != CVY_ABI)
        broken(c, "descriptor %zu: plugin ABI %u; this Convoy has ABI %u", i, d->abi, CVY_ABI);
    else if (d->size < sizeof *d)
        broken(c, "descriptor %zu: size %u, expected %zu", i, d->size, sizeof *d);
    else if (!d->name)
        broken(c, "descriptor %zu has no name", i);
    else
        return true;
    return false;
}

static const cvy_note *find_note(const note_list *notes, uint32_t kind, const char *name, size_t *i)
{
    for (*i = 0; *i < notes->n; ++*i)
        if (notes->items[*i].kind == kind && !strcmp(notes->items[*i].name, name)) return &notes->items[*i];
    return NULL;
}

static void check_descriptor(check *c, const cvy_descriptor *d, uint32_t real_size)
{
    if (d->real_size != real_size) broken(c, "real_size %u, expected %u", d->real_size, real_size);
    if (!d->aliases) broken(c, "aliases is NULL; write \"\"");
    if (!d->summary || !*d->summary) broken(c, "has no summary");
    if (!d->source) broken(c, "source is NULL; write \"\"");
    check_params(c, d);
    check_type(c, d);
}

cvy_status contract_check(const char *path, const cvy_descriptor *const *list, const note_list *notes,
                          uint32_t real_size, bool complete, errors *e)
{
    check c = {PLACE_FILE(path), e, false};
    if (!list) {
        broken(&c, "the exported list is NULL");
        return CVY_ERR_PLUGIN;
    }
    bool *seen = mem_array(notes->n, sizeof *seen);
    size_t n = 0;
    for (; list[n] && n < MAX_DESCRIPTORS; n++) {
        const cvy_descriptor *d = list[n];
        size_t i;
        if (!readable(&c, d, n)) continue;
        errors_push(e, "%s \"%s\"", plugin_kind_name(d->kind), d->name);
        if (!find_note(notes, d->kind, d->name, &i)) {
            broken(&c, "no note of the file announces it");
        } else if (seen[i]) {
            broken(&c, "exported twice");
        } else {
            seen[i] = true;
            check_descriptor(&c, d, real_size);
        }
        errors_pop(e);
    }
    if (list[n]) broken(&c, "exports more than %d descriptors", MAX_DESCRIPTORS);
    for (size_t i = 0; complete && i < notes->n; i++)
        if (!seen[i])
            broken(&c, "%s \"%s\" is announced by a note but not exported",
                   plugin_kind_name(notes->items[i].kind), notes->items[i].name);
    mem_free(seen);
    return c.failed ? CVY_ERR_PLUGIN : CVY_OK;
}
