/*
 * main.c: aditd. Reads its arguments and becomes one of three: main (sys/router.c), ike (ike_main.c), dp (dp_main.c).
 */
#include "sys/sys.h"

#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int usage(FILE *to)
{
    fputs("usage: aditd [options] CONFIG\n"
          "  -n, --name NAME         the router's name: its files are in /run/adit/NAME (default: "
          "default)\n"
          "  -r, --run-dir DIR       its files are in DIR instead\n"
          "  -s, --state-dir DIR     the log and the saved configuration (default: "
          "/var/lib/adit/NAME,\n"
          "                          with --run-dir that directory)\n"
          "  -w, --write-back        `write memory` writes CONFIG, too, with a backup beside it\n"
          "  -m, --map IF=LINK       IF of the configuration is the Linux link LINK (again for "
          "each)\n"
          "  -e, --engine mb|evp     the crypto engine: libipsec-mb or OpenSSL (default: mb)\n"
          "  -c, --check             read the configuration, say what is wrong, end\n"
          "      --ready-fd FD       a byte is written there when the router serves\n"
          "  -h, --help              this text\n"
          "Without --map, FastEthernet0/0 is the link Fa0-0, Serial0/1 is Se0-1; TunnelN and "
          "LoopbackN are made.\n",
          to);
    return to == stdout ? 0 : 2;
}

/* plain_name: a name that is one path component and nobody else's option. */
static bool plain_name(const char *s)
{
    size_t len = strlen(s);
    return len > 0 && len <= 48 && s[0] != '.' && s[0] != '-' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"name", required_argument, NULL, 'n'},
                                          {"run-dir", required_argument, NULL, 'r'},
                                          {"state-dir", required_argument, NULL, 's'},
                                          {"write-back", no_argument, NULL, 'w'},
                                          {"map", required_argument, NULL, 'm'},
                                          {"engine", required_argument, NULL, 'e'},
                                          {"ready-fd", required_argument, NULL, 'R'},
                                          {"check", no_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    static char run_dir[256], state_dir[256], exe[512];
    static struct router_options o;
    const char *name = "default";
    int opt;
    if (argc == 3 && strncmp(argv[1], "--role=", 7) == 0) { /* started by main (sys/proc.c) */
        u32 uid = (u32)strtoul(argv[2], NULL, 10);
        return !identity_fits(uid)                  ? 1
               : strcmp(argv[1], "--role=ike") == 0 ? ike_main(uid)
               : strcmp(argv[1], "--role=dp") == 0  ? dp_main(uid)
                                                    : 1;
    }
    while ((opt = getopt_long(argc, argv, "n:r:s:m:e:wch", longs, NULL)) != -1) {
        switch (opt) {
        case 'n': name = optarg; break;
        case 'r': str_copy(run_dir, sizeof run_dir, optarg); break;
        case 's': str_copy(state_dir, sizeof state_dir, optarg); break;
        case 'm':
            if (o.num_maps == ARRAY_LEN(o.map) || !strchr(optarg, '=')) {
                return usage(stderr);
            }
            o.map[o.num_maps++] = optarg;
            break;
        case 'e': o.engine = optarg; break;
        case 'R': o.ready_fd = atoi(optarg); break;
        case 'w': o.write_back = true; break;
        case 'c': o.check_only = true; break;
        case 'h': return usage(stdout);
        default: return usage(stderr);
        }
    }
    if (optind + 1 != argc) {
        return usage(stderr);
    }
    o.config = argv[optind];
    if (!plain_name(name)) {
        fprintf(stderr, "aditd: a name is at most 48 letters, digits, '-', '_' and '.': %s\n",
                name);
        return 2;
    }
    if (!run_dir[0]) {
        o.own_run_dir = true;
        snprintf(run_dir, sizeof run_dir, "/run/adit/%s", name);
        if (!state_dir[0]) {
            snprintf(state_dir, sizeof state_dir, "/var/lib/adit/%s", name);
        }
    }
    if (o.own_run_dir && !o.check_only) {
        (void)mkdir("/run/adit", 0755);
        (void)mkdir("/var/lib/adit", 0755);
    }
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) {
        perror("aditd: /proc/self/exe");
        return 1;
    }
    exe[n] = 0;
    o.exe = exe;
    o.run_dir = run_dir;
    o.state_dir = state_dir[0] ? state_dir : run_dir;
    if (o.engine) {
        setenv("ADIT_ENGINE", o.engine, 1);
    }
    return router_main(&o);
}
