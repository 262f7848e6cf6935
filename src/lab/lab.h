/*
 * lab: many routers on one machine, from a folder: one configuration file per router and a topology file in the
 * containerlab shape. Each router is its own aditd in its own network namespace.
 *
 *   topo.c     the topology file
 *   lab.c      up, down, list, restart, capture: namespaces, links, daemons
 *   console.c  the client side of a router's unix socket: one-shot commands and the interactive console
 */
#ifndef ADIT_LAB_H
#define ADIT_LAB_H

#include "base/base.h"

enum { TOPO_NODES = 64, TOPO_LINKS = 128, TOPO_NAME = 32, TOPO_EXECS = 16 };

struct topo_node {
    char name[TOPO_NAME];
    bool host;                  /* kind: linux - a plain host; else a router */
    char config[128];           /* startup-config, relative to the folder */
    char exec[TOPO_EXECS][160]; /* shell lines run in the node's namespace */
    unsigned num_execs;
};
struct topo_end {
    unsigned node; /* index */
    char iface[32];
};
struct topo {
    char name[TOPO_NAME], dir[256];
    struct topo_node node[TOPO_NODES];
    unsigned num_nodes;
    struct topo_end link[TOPO_LINKS][2];
    unsigned num_links;
};
/* topo_read: the one NAME.clab.yml in DIR, or DIR itself when it is a file. On errors prints file:line:column and returns false. */
NODISCARD bool topo_read(struct topo *t, const char *dir);
/* topo_read_text: the same from memory; file is only named in errors. */
NODISCARD bool topo_read_text(struct topo *t, const char *file, const char *text, size_t len);

/* lab_main: `adit lab ...`; returns the exit status. */
int lab_main(int argc, char **argv);

/* console_once: one command to the router whose socket this is, output on stdout; exit status (0 fine, 1 refused,
 * 2 no router there). console_interactive: a session on the terminal. */
/* console_answers: a router takes connections there. */
bool console_answers(const char *sock);
int console_once(const char *sock, const char *line);
int console_interactive(const char *sock);

#endif
