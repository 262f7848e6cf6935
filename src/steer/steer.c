/*
 * steer.c: fills and attaches the classifier of steer.bpf.c. Each call loads a program of its own with
 * maps of its own and then replaces the filter on the link, so a generation of lines is in force
 * whole or not at all.
 */
#include "steer/steer.h"

#include "steer.skel.h"

#include <bpf/bpf.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* First in the chain: a filter of somebody else that ends it must not come before ours. */
enum { PRIORITY = 1, HANDLE = 0xad17 };

static int no_print(enum libbpf_print_level level, const char *format, va_list args)
{
    (void)level, (void)format, (void)args;
    return 0; /* what went wrong is returned */
}

/* ---- rules and masks ---- */

struct table {
    struct steer_mask mask[STEER_MASKS];
    u32 num;
};

static void put_words(u32 to[4], const struct addr *a)
{
    memset(to, 0, 16);
    memcpy(to, a->b, addr_len(a));
}

static u8 family_of(const struct selector *s)
{
    return s->src.a.family ? s->src.a.family : s->dst.a.family;
}

/* mask_of: the number of the mask a selector stands under; -1: too many different ones. */
static int mask_of(struct table *t, const struct selector *s)
{
    struct steer_mask m = {.family = family_of(s), .any_proto = s->proto == 0};
    struct addr src = addr_mask(m.family, s->src.len), dst = addr_mask(m.family, s->dst.len);
    put_words(m.src, &src);
    put_words(m.dst, &dst);
    for (u32 i = 0; i < t->num; i++) {
        if (memcmp(&t->mask[i], &m, sizeof m) == 0) {
            return (int)i;
        }
    }
    if (t->num == STEER_MASKS) {
        return -1;
    }
    t->mask[t->num] = m;
    return (int)t->num++;
}

static bool put_rule(int map, const struct table *t, int mask, const struct selector *s, u16 proto)
{
    struct steer_key k = {.mask = (u8)mask, .family = family_of(s), .proto = proto};
    const struct steer_mask *m = &t->mask[mask];
    u32 one = 1;
    put_words(k.src, &s->src.a);
    put_words(k.dst, &s->dst.a);
    for (int i = 0; i < 4; i++) {
        k.src[i] &= m->src[i];
        k.dst[i] &= m->dst[i];
    }
    return bpf_map_update_elem(map, &k, &one, BPF_ANY) == 0;
}

static const char *fill_rules(struct steer_bpf *o, const struct table *t,
                              const struct steer_link *l)
{
    int rules = bpf_map__fd(o->maps.rules);
    struct table seen = *t; /* every mask is in it already */
    for (size_t i = 0; i < l->num_sel; i++) {
        const struct selector *s = &l->sel[i];
        int mask = mask_of(&seen, s);
        bool hidden = s->proto && family_of(s) == AF_V6;
        if (!put_rule(rules, t, mask, s, s->proto ? s->proto : STEER_PROTO_ANY) ||
            (hidden && !put_rule(rules, t, mask, s, STEER_PROTO_HIDDEN))) {
            return "the kernel takes no more rules";
        }
    }
    return NULL;
}

static const char *fill(struct steer_bpf *o, const struct table *t, const struct steer_link *l)
{
    u32 one = 1;
    for (u32 i = 0; i < t->num; i++) {
        if (bpf_map_update_elem(bpf_map__fd(o->maps.masks), &i, &t->mask[i], BPF_ANY) != 0) {
            return "the kernel takes no more masks";
        }
    }
    for (size_t i = 0; i < l->num_own; i++) {
        struct steer_own own = {.family = l->own[i].family};
        put_words(own.a, &l->own[i]);
        if (bpf_map_update_elem(bpf_map__fd(o->maps.own), &own, &one, BPF_ANY) != 0) {
            return "the kernel takes no more addresses";
        }
    }
    return fill_rules(o, t, l);
}

/* ---- programs ---- */

#define TEXT(x)    #x
#define TEXT_OF(x) TEXT(x)

/* load: the classifier for this link, loaded and filled. NULL: *why says why. */
static struct steer_bpf *load(const struct steer_link *l, const char **why)
{
    struct table t = {.num = 0};
    libbpf_set_print(no_print);
    for (size_t i = 0; i < l->num_sel; i++) {
        if (mask_of(&t, &l->sel[i]) < 0) {
            *why = "more than " TEXT_OF(STEER_MASKS) " different pairs of prefix lengths in the "
                                                     "lines of one link";
            return NULL;
        }
    }
    struct steer_bpf *o = steer_bpf__open();
    *why = "this kernel has no BPF classifiers";
    if (!o) {
        return NULL;
    }
    o->rodata->num_masks = t.num;
    o->rodata->tun_out = l->tun_out;
    o->rodata->tun_in = l->tun_in;
    o->rodata->own_mark = l->mark;
    o->rodata->link = (u32)l->ifindex;
    (void)bpf_map__set_max_entries(o->maps.rules, (u32)MAX(2 * l->num_sel, 1u));
    (void)bpf_map__set_max_entries(o->maps.own, (u32)MAX(l->num_own, 1u));
    if (steer_bpf__load(o) != 0 || (*why = fill(o, &t, l)) != NULL) {
        steer_bpf__destroy(o);
        return NULL;
    }
    return o;
}

/* hook_of, ours: libbpf refuses a value whose padding at the end is not zero: so it is filled in place, for a
 * struct that is copied may lose its padding. */
static void hook_of(struct bpf_tc_hook *out, int ifindex, enum bpf_tc_attach_point at)
{
    memset(out, 0, sizeof *out);
    out->sz = sizeof *out;
    out->ifindex = ifindex;
    out->attach_point = at;
}

static void ours(struct bpf_tc_opts *out)
{
    memset(out, 0, sizeof *out);
    out->sz = sizeof *out;
    out->handle = HANDLE;
    out->priority = PRIORITY;
}

/* standing: the id of adit's program at this place, 0: none. */
static u32 standing(int ifindex, enum bpf_tc_attach_point at)
{
    struct bpf_tc_hook h;
    struct bpf_tc_opts o;
    hook_of(&h, ifindex, at);
    ours(&o);
    libbpf_set_print(no_print);
    return bpf_tc_query(&h, &o) == 0 ? o.prog_id : 0;
}

static bool put(int ifindex, enum bpf_tc_attach_point at, const struct bpf_program *prog,
                u32 *out_id)
{
    struct bpf_tc_hook h;
    struct bpf_tc_opts o;
    hook_of(&h, ifindex, at);
    ours(&o);
    o.prog_fd = bpf_program__fd(prog);
    o.flags = standing(ifindex, at) ? BPF_TC_F_REPLACE : 0;
    if (bpf_tc_attach(&h, &o) != 0) {
        return false;
    }
    *out_id = o.prog_id;
    return true;
}

/* has_frames: frames of Ethernet travel on it; what a TUN carries has none. */
static bool has_frames(int ifindex)
{
    struct ifreq q = {0};
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is = s >= 0 && if_indextoname((unsigned)ifindex, q.ifr_name) &&
              ioctl(s, SIOCGIFHWADDR, &q) == 0 && q.ifr_hwaddr.sa_family == ARPHRD_ETHER;
    if (s >= 0) {
        close(s);
    }
    return is;
}

const char *steer_attach(const struct steer_link *l, u32 out_ids[3])
{
    const char *why;
    struct bpf_tc_hook both, in;
    hook_of(&both, l->ifindex, (enum bpf_tc_attach_point)(BPF_TC_INGRESS | BPF_TC_EGRESS));
    hook_of(&in, (int)l->tun_in, BPF_TC_INGRESS);
    struct steer_bpf *o = load(l, &why);
    if (!o) {
        return why;
    }
    (void)bpf_tc_hook_create(&both); /* it may be there already; if it cannot be, put() says so */
    why = NULL;
    if (!put(l->ifindex, BPF_TC_EGRESS, o->progs.steer_out, &out_ids[0]) ||
        !put(l->ifindex, BPF_TC_INGRESS, o->progs.steer_in, &out_ids[1])) {
        why = "this link takes no classifier (clsact)";
    }
    out_ids[2] = 0;
    (void)bpf_tc_hook_create(&in);
    if (!why && has_frames(l->ifindex) &&
        !put((int)l->tun_in, BPF_TC_INGRESS, o->progs.steer_back, &out_ids[2])) {
        why = "its TUN takes no classifier (clsact)";
    }
    steer_bpf__destroy(o); /* the filters keep programs and maps alive */
    if (why) {
        memset(out_ids, 0, 3 * sizeof *out_ids); /* steer_holds: no */
    }
    return why;
}

const char *steer_programs(const struct steer_link *l, int out_fds[2])
{
    const char *why;
    struct steer_bpf *o = load(l, &why);
    if (!o) {
        return why;
    }
    out_fds[0] = dup(bpf_program__fd(o->progs.steer_out));
    out_fds[1] = dup(bpf_program__fd(o->progs.steer_in));
    steer_bpf__destroy(o);
    return NULL;
}

bool steer_holds(int ifindex, u32 tun_in, const u32 ids[3])
{
    return ids[0] && ids[1] && standing(ifindex, BPF_TC_EGRESS) == ids[0] &&
           standing(ifindex, BPF_TC_INGRESS) == ids[1] &&
           (!ids[2] || standing((int)tun_in, BPF_TC_INGRESS) == ids[2]);
}

bool steer_detach(int ifindex)
{
    static const enum bpf_tc_attach_point places[] = {BPF_TC_EGRESS, BPF_TC_INGRESS};
    bool was = false;
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        if (standing(ifindex, places[i])) {
            struct bpf_tc_hook h;
            struct bpf_tc_opts o;
            hook_of(&h, ifindex, places[i]);
            ours(&o);
            was = bpf_tc_detach(&h, &o) == 0 || was;
        }
    }
    return was;
}

const char *steer_probe(void)
{
    const char *why;
    struct steer_link none = {.mark = 1};
    struct steer_bpf *o = load(&none, &why);
    if (!o) {
        return why;
    }
    steer_bpf__destroy(o);
    return NULL;
}
