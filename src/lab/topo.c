/*
 * topo.c: the topology file: nodes, and links as pairs of "NODE:INTERFACE", in the containerlab shape:
 *
 *   name: gre-ipv6
 *   topology:
 *     nodes:
 *       R1: {kind: adit, startup-config: R1.cfg}
 *       H1: {kind: linux, exec: ["ip addr add 10.0.0.2/24 dev eth1"]}
 *     links:
 *       - endpoints: ["R1:Serial0/0", "ISP:Serial0/0"]
 */
#include "lab/lab.h"

#include <errno.h>
#include <glob.h>
#include <sys/stat.h>
#include <yaml.h>

struct reader {
    struct topo *t;
    yaml_document_t doc;
    const char *file;
    bool bad;
};

static void fault(struct reader *r, const yaml_node_t *at, const char *what)
{
    fprintf(stderr, "%s:%zu:%zu: error: %s\n", r->file, at ? at->start_mark.line + 1 : 1,
            at ? at->start_mark.column + 1 : 1, what);
    r->bad = true;
}

static const char *text_of(const yaml_node_t *n)
{
    return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static yaml_node_t *member(struct reader *r, yaml_node_t *map, const char *key)
{
    if (!map || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const char *k = text_of(yaml_document_get_node(&r->doc, p->key));
        if (k && strcmp(k, key) == 0) {
            return yaml_document_get_node(&r->doc, p->value);
        }
    }
    return NULL;
}

static bool plain_name(const char *s)
{
    return s && *s && strlen(s) < 16 &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               strlen(s);
}

static void read_node(struct reader *r, const yaml_node_t *key, yaml_node_t *value)
{
    const char *name = text_of(key), *kind = text_of(member(r, value, "kind"));
    const char *config = text_of(member(r, value, "startup-config"));
    yaml_node_t *exec = member(r, value, "exec");
    if (!plain_name(name) || r->t->num_nodes == TOPO_NODES) {
        fault(r, key, "expected a node's name: at most 15 letters, digits, - and _");
        return;
    }
    struct topo_node *n = &r->t->node[r->t->num_nodes++];
    str_copy(n->name, sizeof n->name, name);
    n->host = kind && strcmp(kind, "linux") == 0;
    if (kind && !n->host && strcmp(kind, "adit") != 0) {
        fault(r, value, "expected kind: adit or kind: linux");
    }
    if (config) {
        str_copy(n->config, sizeof n->config, config);
    } else {
        snprintf(n->config, sizeof n->config, "%s.cfg", name);
    }
    if (exec && exec->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *i = exec->data.sequence.items.start;
             i < exec->data.sequence.items.top && n->num_execs < TOPO_EXECS; i++) {
            const char *line = text_of(yaml_document_get_node(&r->doc, *i));
            if (!line || !str_copy(n->exec[n->num_execs++], sizeof n->exec[0], line)) {
                fault(r, exec, "expected a list of shell lines of at most 159 characters");
            }
        }
    }
}

static void read_end(struct reader *r, const yaml_node_t *at, struct topo_end *out)
{
    const char *s = text_of(at), *colon = s ? strchr(s, ':') : NULL;
    for (unsigned i = 0; colon && i < r->t->num_nodes; i++) {
        const char *name = r->t->node[i].name;
        if (strlen(name) == (size_t)(colon - s) && strncmp(name, s, strlen(name)) == 0) {
            out->node = i;
            str_copy(out->iface, sizeof out->iface, colon + 1);
            return;
        }
    }
    fault(r, at, "expected \"NODE:INTERFACE\" with a node from `nodes`");
}

static void read_links(struct reader *r, yaml_node_t *links)
{
    for (yaml_node_item_t *i = links->data.sequence.items.start; i < links->data.sequence.items.top;
         i++) {
        yaml_node_t *l = yaml_document_get_node(&r->doc, *i), *ends = member(r, l, "endpoints");
        if (!ends || ends->type != YAML_SEQUENCE_NODE ||
            ends->data.sequence.items.top - ends->data.sequence.items.start != 2 ||
            r->t->num_links == TOPO_LINKS) {
            fault(r, l, "expected endpoints: [\"A:IF\", \"B:IF\"]");
            continue;
        }
        for (int e = 0; e < 2; e++) {
            read_end(r, yaml_document_get_node(&r->doc, ends->data.sequence.items.start[e]),
                     &r->t->link[r->t->num_links][e]);
        }
        r->t->num_links++;
    }
}

static void read_document(struct reader *r)
{
    yaml_node_t *root = yaml_document_get_root_node(&r->doc),
                *topology = member(r, root, "topology");
    yaml_node_t *nodes = member(r, topology, "nodes"), *links = member(r, topology, "links");
    const char *name = text_of(member(r, root, "name"));
    if (!plain_name(name)) {
        fault(r, root, "expected name: at most 15 letters, digits, - and _");
        return;
    }
    str_copy(r->t->name, sizeof r->t->name, name);
    if (!nodes || nodes->type != YAML_MAPPING_NODE) {
        fault(r, root, "expected topology: nodes:");
        return;
    }
    for (yaml_node_pair_t *p = nodes->data.mapping.pairs.start; p < nodes->data.mapping.pairs.top;
         p++) {
        read_node(r, yaml_document_get_node(&r->doc, p->key),
                  yaml_document_get_node(&r->doc, p->value));
    }
    if (links && links->type == YAML_SEQUENCE_NODE) {
        read_links(r, links);
    }
}

/* Reads what the parser was given; frees it. */
static bool read_parsed(struct topo *t, const char *file, yaml_parser_t *parser)
{
    struct reader r = {.t = t, .file = file};
    if (!yaml_parser_load(parser, &r.doc)) {
        fprintf(stderr, "%s:%zu:%zu: error: %s\n", file, parser->problem_mark.line + 1,
                parser->problem_mark.column + 1, parser->problem ? parser->problem : "not YAML");
        r.bad = true;
    } else {
        read_document(&r);
        yaml_document_delete(&r.doc);
    }
    yaml_parser_delete(parser);
    return !r.bad;
}

bool topo_read_text(struct topo *t, const char *file, const char *text, size_t len)
{
    yaml_parser_t parser;
    memset(t, 0, sizeof *t);
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    return read_parsed(t, file, &parser);
}

bool topo_read(struct topo *t, const char *dir)
{
    yaml_parser_t parser;
    struct stat st;
    char pattern[300], file[300];
    glob_t g = {0};
    memset(t, 0, sizeof *t);
    str_copy(file, sizeof file, dir);
    str_copy(t->dir, sizeof t->dir, dir);
    if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode)) {
        snprintf(pattern, sizeof pattern, "%.250s/*.clab.yml", dir);
        if (glob(pattern, 0, NULL, &g) == 0) {
            str_copy(file, sizeof file, g.gl_pathv[0]);
        }
        globfree(&g);
    } else if (strrchr(t->dir, '/')) {
        *strrchr(t->dir, '/') = 0;
    } else {
        str_copy(t->dir, sizeof t->dir, ".");
    }
    FILE *f = fopen(file, "re");
    if (!f || (stat(file, &st) == 0 && S_ISDIR(st.st_mode))) {
        fprintf(stderr, "adit lab: %s: %s\n", file, f ? "no *.clab.yml in there" : strerror(errno));
        if (f) {
            fclose(f);
        }
        return false;
    }
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_file(&parser, f);
    bool ok = read_parsed(t, file, &parser);
    fclose(f);
    return ok;
}
