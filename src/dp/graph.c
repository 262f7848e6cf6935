/*
 * graph.c: THE MAP of the data plane. Start reading here.
 *
 *  LAN to WAN   port rx -> ip_in -> route_out -> gre_out -> policy_out
 *                       -> esp_out {admit, build, seal, finish} -> ip_out -> port_tx
 *  WAN to LAN   port rx -> ip_in -> esp_in {find, precheck, open, commit} -> gre_in (decapsulate)
 *                       -> policy_in (did it have the right to come in?) -> route_in -> port_tx
 *  in clear     port rx -> ip_in -> clear_in (may it come in like this?) -> port_tx
 *
 *  AH           esp_out_admit -> ah_out {build, seal, finish} -> ip_out; ip_in -> ah_in {find, open, commit}
 *  IPComp       esp_out_admit -> ipcomp_out -> esp_out_build or ah_out_build; inwards what esp_in or ah_in opened is expanded
 *  AH and ESP   esp_out, then ah_out; ah_in, then esp_in (an SA bundle, RFC 4301 appendix E)
 *
 *  Tunnel protection  route_out, gre_out, then the SA bound to the tunnel's flow: gre_out goes to
 *                     esp_out directly.
 *  Crypto map         policy_out is asked AFTER gre_out, on the OUTER packet; traffic of no tunnel
 *                     comes from the link's TUN and enters there.
 *  Both orders are rows of the one table below.
 *
 * A node is a function over a vector of up to 256 packets. It leaves one verdict, `next`, on every
 * packet; the graph sorts the packets into the next nodes' queues. The rows stand in topological
 * order: a verdict always names a later row, so one walk down the table takes every packet to its
 * end (sent, held, or dropped with a reason).
 *
 * To add a node: a row here, its function in dp_int.h.
 */
#include "dp/dp_int.h"

static const struct node {
    const char *name;
    void (*run)(struct worker *w, struct vec *v);
} nodes[N_NUM] = {
    /* both walks begin */
    [N_IP_IN] = {"ip_in", ip_in}, /* -> ah_find esp_find gre_in clear_in route_out policy_out */
    /* WAN to LAN */
    [N_AH_FIND] = {"ah_in_find", ah_in_find},       /* -> ah_open */
    [N_AH_OPEN] = {"ah_in_open", ah_in_open},       /* -> ah_commit */
    [N_AH_COMMIT] = {"ah_in_commit", ah_in_commit}, /* -> esp_find gre_in policy_in */
    [N_ESP_FIND] = {"esp_in_find", esp_in_find},             /* -> esp_precheck */
    [N_ESP_PRECHECK] = {"esp_in_precheck", esp_in_precheck}, /* -> esp_open */
    [N_ESP_OPEN] = {"esp_in_open", esp_in_open},             /* -> esp_commit */
    [N_ESP_COMMIT] = {"esp_in_commit", esp_in_commit},       /* -> gre_in policy_in */
    [N_GRE_IN] = {"gre_in", gre_in},                         /* -> policy_in */
    [N_CLEAR_IN] = {"clear_in", clear_in},                   /* -> port_tx */
    [N_POLICY_IN] = {"policy_in", policy_in},                /* -> route_in */
    [N_ROUTE_IN] = {"route_in", route_in},                   /* -> port_tx */
    /* LAN to WAN */
    [N_ROUTE_OUT] = {"route_out", route_out},            /* -> gre_out esp_admit */
    [N_GRE_OUT] = {"gre_out", gre_out},                  /* -> policy_out esp_admit */
    [N_POLICY_OUT] = {"policy_out", policy_out},         /* -> esp_admit ip_out */
    [N_ESP_ADMIT] = {"esp_out_admit", esp_out_admit},    /* -> ipcomp esp_build ah_build (or held) */
    [N_IPCOMP] = {"ipcomp_out", ipcomp_out},             /* -> esp_build ah_build */
    [N_ESP_BUILD] = {"esp_out_build", esp_out_build},    /* -> esp_seal */
    [N_ESP_SEAL] = {"esp_out_seal", esp_out_seal},       /* -> esp_finish */
    [N_ESP_FINISH] = {"esp_out_finish", esp_out_finish}, /* -> ah_build ip_out */
    [N_AH_BUILD] = {"ah_out_build", ah_out_build},       /* -> ah_seal */
    [N_AH_SEAL] = {"ah_out_seal", ah_out_seal},          /* -> ah_finish */
    [N_AH_FINISH] = {"ah_out_finish", ah_out_finish},    /* -> ip_out */
    [N_IP_OUT] = {"ip_out", ip_out},                     /* -> port_tx */
    /* both walks end */
    [N_PORT_TX] = {"port_tx", port_tx},
    [N_DROP] = {"drop_out", drop_out}, /* every node may send here */
};

const char *graph_node_name(enum node_id id)
{
    return id < N_NUM ? nodes[id].name : "gone";
}

/* Sorts a vector by verdict into the queues of later nodes. Neighbours mostly agree, so runs are
 * copied whole. */
static void forward(struct worker *w, struct vec *v)
{
    unsigned i = 0;
    while (i < v->n) {
        u8 next = v->p[i]->next;
        if (UNLIKELY(next >= N_DONE)) {
            if (next == N_DONE) {
                pkt_put(w, v->p[i]);
            }
            i++;
            continue;
        }
        struct queue *q = &w->q[next];
        struct pkt **to = q->p + q->n;
        unsigned from = i;
        do {
            *to++ = v->p[i++];
        } while (i < v->n && v->p[i]->next == next);
        q->n += i - from;
    }
}

static void run_node(struct worker *w, enum node_id id)
{
    struct queue *q = &w->q[id];
    unsigned at = 0;
    while (at < q->n) { /* a node may append fragments to its own queue */
        struct vec v = {q->p + at, MIN(VEC, q->n - at)};
        at += v.n;
        u64 start = w->profile ? cycles() : 0;
        nodes[id].run(w, &v);
        if (id < N_PORT_TX) {
            forward(w, &v);
        }
        w->stat[id].packets += v.n;
        w->stat[id].vectors++;
        if (w->profile) {
            w->stat[id].cycles += cycles() - start;
        }
    }
    q->n = 0;
}

void graph_run(struct worker *w)
{
    for (enum node_id id = 0; id < N_NUM; id++) {
        if (w->q[id].n) {
            run_node(w, id);
        }
    }
}
