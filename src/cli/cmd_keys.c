/*
 * cmd_keys.c: `show crypto keys wireshark`: the keys of the running SAs as lines of Wireshark's esp_sa and
 * ikev1_decryption_table files, so that it opens what adit sends. Only while `keylog on` holds: else the snapshots carry
 * no keys, and this says so.
 */
#include "cli/cli_int.h"

static void put_hex(struct session *s, const u8 *p, size_t len)
{
    char text[2 * SECRET_MAX + 1];
    s_printf(s, "%s", hex_str(text, sizeof text, p, len));
    mem_wipe(text, sizeof text);
}

static void put_key(struct session *s, const struct secret *key)
{
    s_printf(s, ",\"%s", key->len ? "0x" : "");
    put_hex(s, key->b, key->len);
    s_printf(s, "\"");
}

/* "IPv4","1.1.1.1","2.2.2.2","0x4f11f20e","TripleDES-CBC [RFC2451]","0x...","HMAC-SHA-1-96 [RFC2404]","0x..." */
static void esp_line(struct session *s, const struct dp_sa_value *v)
{
    char src[ADDR_STR], dst[ADDR_STR];
    s_printf(s, "\"%s\",\"%s\",\"%s\",\"0x%08x\",\"%s\"", v->src.family == AF_V6 ? "IPv6" : "IPv4",
             addr_str(src, &v->src), addr_str(dst, &v->dst), v->spi, encr_row(v->encr)->wireshark);
    put_key(s, &v->encr_key);
    s_printf(s, ",\"%s\"", hash_row(v->auth)->wireshark);
    put_key(s, &v->auth_key);
    s_printf(s, "\n");
}

bool exec_show_keys(struct session *s, const struct match *m)
{
    (void)m;
    if (!s->host->keylog(s->host->ctx)) {
        s_printf(s, "%% The key log is off, so no key leaves its process (keylog on)\n");
        return false;
    }
    const struct cli_snapshot *snap = s->snap;
    bool ok = !snap->error;
    if (!ok) {
        s_printf(s, "%% %s\n", snap->error);
    }
    s_printf(s, "# esp_sa\n");
    for (size_t i = 0; i < snap->num_dp_sas; i++) {
        if (encr_row(snap->dp_sas[i].sa.encr)->wireshark) {
            esp_line(s, &snap->dp_sas[i].sa);
        }
    }
    s_printf(s, "# ikev1_decryption_table\n");
    for (size_t i = 0; i < snap->num_sas; i++) {
        const struct ike_sa_info *sa = &snap->sas[i];
        if (sa->key_e.len) {
            put_hex(s, sa->cookie_i, sizeof sa->cookie_i);
            s_printf(s, ",");
            put_hex(s, sa->key_e.b, sa->key_e.len);
            s_printf(s, "\n");
        }
    }
    return ok;
}
