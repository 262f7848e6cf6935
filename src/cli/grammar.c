/*
 * grammar.c: THE MAP of the console: every command adit knows is one row, with the modes it lives in and the function
 * that does it. Abbreviations, `?`, Tab, `no` and the caret come from these rows (match.c). To add a command: add its
 * row and its function.
 */
#include "cli/cli_int.h"

#include <strings.h>

/* clang-format off: a table, one command a row */
#define EX (M_EXEC | M_PRIV)
#define ACLS (M_EXTACL | M_STDACL | M_IPV6ACL)
#define CFG(modes, syntax, fn) {syntax, modes, cfg_##fn, NULL, false}
#define EXE(modes, syntax, fn) {syntax, modes, NULL, exec_##fn, false}
#define LOOK(modes, syntax, fn) {syntax, modes, NULL, exec_##fn, true} /* needs a look at ike and dp */

static const struct {
    const char *name, *syntax;
} pieces[] = {
    {"cipher", "{des | 3des | aes [128 | 192 | 256]}"},
    {"hash", "{sha | md5 | sha256 | sha384 | sha512}"},
    {"ts", "{ah-md5-hmac | ah-sha-hmac | ah-sha256-hmac | ah-sha384-hmac | ah-sha512-hmac | esp-des | esp-3des | esp-aes [128 | 192 | 256] | esp-gcm [128 | 192 | 256] | "
           "esp-ctr [128 | 192 | 256] | esp-ccm [128 | 192 | 256] | esp-gmac [128 | 192 | 256] | esp-null | "
           "esp-md5-hmac | esp-sha-hmac | esp-sha256-hmac | esp-sha384-hmac | esp-sha512-hmac | esp-xcbc-mac}"},
    {"life", "{seconds <120-86400:s> | kilobytes <2560-4294967295:kb>}"},
    {"replay", "{disable | window-size <64-4096:size>}"},
    {"proto", "{ip | icmp | igmp | ipinip | tcp | udp | gre | esp | ahp | eigrp | ospf | <0-255:proto>}"},
    {"host", "{any | host A.B.C.D:addr | A.B.C.D:addr A.B.C.D:wild}"},
    {"port", "{<0-65535:port> | isakmp | non500-isakmp | domain | www | telnet | ntp | snmp | syslog | ftp | smtp | "
             "tftp | bgp}"},
    {"ports", "{eq $port | gt $port | lt $port | range $port $port}"},
    {"ace", "{permit | deny} $proto $host [$ports] $host [$ports] [log]"},
    {"proto6", "{ipv6 | icmp | tcp | udp | gre | esp | ahp | ospf | <0-255:proto>}"},
    {"host6", "{any | host X:X::X:addr | P/L:addr}"},
    {"ace6", "{permit | deny} $proto6 $host6 [$ports] $host6 [$ports] [log]"},
    {"sace", "{permit | deny} {any | host A.B.C.D:addr | A.B.C.D:addr [A.B.C.D:wild]} [log]"},
    {"pingopt", "{source {IF:srcif | ADDR:srcaddr} | repeat <1-100000:repeat> | size <36-18024:size> | "
                "timeout <0-3600:timeout> | df-bit}"},
};

const struct cmd cli_commands[] = {
    /* ---- global configuration ---- */
    CFG(M_CONF, "hostname WORD:host", hostname),
    CFG(M_CONF, "ip {domain-name | domain name} WORD:domain", domain_name),
    CFG(M_CONF, "ip domain-lookup", domain_lookup),
    CFG(M_CONF, "ip domain lookup", domain_lookup),
    CFG(M_CONF, "ipv6 unicast-routing", ipv6_routing),
    CFG(M_CONF, "enable {password | secret} [<0-9:type>] WORD:secret", enable_secret),
    CFG(M_CONF, "adit dialect {12.4 | 15}", dialect),
    CFG(M_CONF, "username WORD:name [privilege <0-15:level>] [nopassword]", username),
    CFG(M_CONF,
        "username WORD:name [privilege <0-15:level>] {password | secret} [<0-9:type>] WORD:secret",
        username),
    CFG(M_CONF, "password encryption aes", password_aes),
    CFG(M_CONF, "key config-key password-encrypt WORD:key", master_key),
    CFG(M_CONF, "version LINE:rest", keep),
    CFG(M_CONF, "service LINE:rest", service),
    CFG(M_CONF, "{boot-start-marker | boot-end-marker}", keep),
    CFG(M_CONF, "{ip | ipv6} cef", keep),
    CFG(M_CONF, "ip http LINE:rest", keep),
    CFG(M_CONF, "ip forward-protocol LINE:rest", keep),
    CFG(M_CONF, "ip {subnet-zero | classless | source-route}", keep),
    CFG(M_CONF, "ip ssh LINE:rest", keep),
    CFG(M_CONF, "aaa LINE:rest", keep),
    CFG(M_CONF, "logging LINE:rest", keep),
    CFG(M_CONF,
        "{clock | ntp | snmp-server | mmi | memory-size | multilink | archive | mac-address-table} "
        "LINE:rest",
        keep),
    CFG(M_CONF, "control-plane", keep),
    CFG(M_CONF, "line {con | aux | vty} <0-1000:first> [<0-1000:last>]", line_mode),
    CFG(M_LINE,
        "{login | password | exec-timeout | transport | privilege | length | width | logging | "
        "stopbits | "
        "access-class | session-timeout} [LINE:rest]",
        line_keep),
    /* ---- crypto ---- */
    CFG(M_CONF, "crypto isakmp enable", isakmp_enable),
    CFG(M_CONF, "crypto isakmp policy <1-10000:priority>", isakmp_policy),
    CFG(M_CONF,
        "crypto isakmp key [<0-6:type>] WORD:key {address A.B.C.D:addr [A.B.C.D:mask] | ipv6 "
        "P/L:prefix | "
        "hostname WORD:host} [no-xauth]",
        isakmp_key),
    CFG(M_CONF, "crypto isakmp identity {address | hostname}", isakmp_identity),
    CFG(M_CONF, "crypto isakmp aggressive-mode disable", aggressive_mode),
    CFG(M_CONF, "crypto isakmp nat keepalive <5-3600:secs>", nat_keepalive),
    CFG(M_CONF, "crypto ipsec nat-transparency udp-encapsulation", nat_transparency),
    CFG(M_CONF, "crypto isakmp peer address ADDR:peer", isakmp_peer),
    CFG(M_PEER, "set aggressive-mode password [<0-6:type>] WORD:key", peer_password),
    CFG(M_PEER,
        "set aggressive-mode client-endpoint {ipv4-address A.B.C.D:addr | {fqdn | user-fqdn} WORD:who}",
        peer_endpoint),
    CFG(M_CONF, "crypto keyring WORD:name", keyring),
    CFG(M_KEYRING,
        "pre-shared-key {address A.B.C.D:addr [A.B.C.D:mask] | ipv6 P/L:prefix | hostname WORD:host} key "
        "[<0-6:type>] WORD:key",
        ring_key),
    CFG(M_CONF, "crypto isakmp profile WORD:name", isakmp_profile),
    CFG(M_ISAPROF, "keyring WORD:keyring", prof_keyring),
    CFG(M_ISAPROF,
        "match identity {address A.B.C.D:addr [A.B.C.D:mask] | host [domain] WORD:who | user [domain] "
        "WORD:who | group WORD:who}",
        prof_match),
    CFG(M_ISAPROF, "self-identity {address | fqdn | user-fqdn WORD:who}", prof_self),
    CFG(M_ISAPROF, "keepalive <10-3600:secs> retry <2-60:retry>", prof_keepalive),
    CFG(M_ISAPROF, "initiate mode aggressive", prof_initiate),
    CFG(M_KEYRING | M_ISAPROF, "local-address {ADDR:local | IF:if}", local_address),
    CFG(M_KEYRING | M_ISAPROF | M_PEER, "description LINE:text", isakmp_text),
    CFG(M_PROFILE | M_MAP, "set isakmp-profile WORD:profile", set_isakmp_profile),
    CFG(M_CONF, "crypto isakmp invalid-spi-recovery", invalid_spi),
    CFG(M_CONF, "crypto isakmp keepalive <10-3600:secs> [<2-60:retry>] [periodic | on-demand]",
        keepalive),
    CFG(M_CONF, "crypto ipsec transform-set WORD:name $ts [$ts] [$ts]", transform_set),
    CFG(M_CONF, "crypto ipsec security-association lifetime $life", sa_lifetime),
    CFG(M_CONF, "crypto ipsec security-association replay $replay", sa_replay),
    CFG(M_CONF, "crypto ipsec df-bit {clear | set | copy}", df_bit),
    CFG(M_CONF, "crypto ipsec fragmentation {before-encryption | after-encryption}", fragmentation),
    CFG(M_CONF, "crypto ipsec profile WORD:name", profile),
    CFG(M_CONF, "crypto logging session", keep),
    CFG(M_CONF, "crypto map WORD:name local-address IF:if", map_local),
    CFG(M_CONF, "crypto map WORD:name isakmp-profile WORD:profile", map_isakmp_profile),
    CFG(M_CONF, "crypto map WORD:name <1-65535:seq> [ipsec-isakmp]", map),
    CFG(M_ISAKMP, "{encryption | encr} $cipher", pol_encr),
    CFG(M_ISAKMP, "hash $hash", pol_hash),
    CFG(M_ISAKMP, "authentication {pre-share | rsa-sig | rsa-encr}", pol_auth),
    CFG(M_ISAKMP, "group <1-31:id>", pol_group),
    CFG(M_ISAKMP, "lifetime <60-86400:seconds>", pol_life),
    CFG(M_TRANS, "mode {tunnel | transport [require]}", ts_mode),
    CFG(M_TRANS, "esn", ts_esn),
    CFG(M_PROFILE | M_MAP,
        "set transform-set WORD:set [WORD:set] [WORD:set] [WORD:set] [WORD:set] [WORD:set]",
        set_ts),
    CFG(M_PROFILE | M_MAP, "set pfs [WORD:group]", set_pfs),
    CFG(M_PROFILE | M_MAP, "set security-association lifetime $life", set_life),
    CFG(M_PROFILE | M_MAP, "set security-association replay $replay", set_replay),
    CFG(M_PROFILE | M_MAP, "description LINE:text", map_description),
    CFG(M_MAP, "set peer ADDR:peer [default]", map_peer),
    CFG(M_MAP, "match address WORD:acl", map_match),
    /* ---- interfaces ---- */
    CFG(M_CONF, "interface IF:if [point-to-point]", interface),
    CFG(M_IF, "description LINE:text", if_description),
    CFG(M_IF, "ip address A.B.C.D:addr A.B.C.D:mask [secondary]", if_ip_address),
    CFG(M_IF, "ip unnumbered IF:if", if_unnumbered),
    CFG(M_IF, "ipv6 address {P/L:prefix [eui-64] | X:X::X:addr link-local}", if_ipv6_address),
    CFG(M_IF, "ipv6 enable", if_ipv6_enable),
    CFG(M_IF, "shutdown", if_shutdown),
    CFG(M_IF, "bandwidth <1-10000000:value>", if_number),
    CFG(M_IF, "mtu <64-17940:value>", if_number),
    CFG(M_IF, "ip mtu <68-17940:value>", if_number),
    CFG(M_IF, "ipv6 mtu <1280-17940:value>", if_number),
    CFG(M_IF, "ip tcp adjust-mss <500-1460:value>", if_number),
    CFG(M_IF, "tunnel source {IF:if | ADDR:addr}", if_tunnel_source),
    CFG(M_IF, "tunnel destination ADDR:addr", if_tunnel_dest),
    CFG(M_IF, "tunnel mode {gre {ip | ipv6} | ipip | ipv6ip | ipsec {ipv4 | ipv6}}",
        if_tunnel_mode),
    CFG(M_IF, "tunnel {checksum | sequence-datagrams | path-mtu-discovery}", if_tunnel_flag),
    CFG(M_IF, "tunnel key <0-4294967295:value>", if_tunnel_number),
    CFG(M_IF, "tunnel {ttl | tos} <0-255:value>", if_tunnel_number),
    CFG(M_IF, "tunnel protection ipsec profile WORD:profile [shared]", if_protection),
    CFG(M_IF, "adit blackhole", if_blackhole),
    CFG(M_IF, "crypto map WORD:map", if_crypto_map),
    CFG(M_IF, "{ip | ipv6} verify unicast source reachable-via rx", if_rpf),
    CFG(M_IF, "ip ospf {cost | hello-interval | dead-interval | priority} <0-65535:value>",
        if_ospf),
    CFG(M_IF, "ip ospf mtu-ignore", if_ospf),
    CFG(M_IF, "ip ospf network {point-to-point | broadcast}", if_ospf),
    CFG(M_IF, "ip ospf <1-65535:pid> area <0-4294967295:area>", if_ospf),
    CFG(M_IF, "ip access-group WORD:acl {in | out}", if_access_group),
    CFG(M_IF, "encapsulation dot1Q <1-4094:vlan>", if_dot1q),
    CFG(M_IF, "encapsulation {hdlc | ppp | frame-relay}", if_keep),
    CFG(M_IF,
        "{duplex | speed | delay | clock | load-interval | fair-queue | keepalive | cdp} "
        "[LINE:rest]",
        if_keep),
    CFG(M_IF,
        "ip {redirects | unreachables | proxy-arp | virtual-reassembly | route-cache [cef | flow]}",
        if_keep),
    /* ---- lists, routes, routing ---- */
    CFG(M_CONF, "access-list <1-99:std> $sace", acl_numbered),
    CFG(M_CONF, "access-list <1300-1999:std> $sace", acl_numbered),
    CFG(M_CONF, "access-list <100-199:ext> $ace", acl_numbered),
    CFG(M_CONF, "access-list <2000-2699:ext> $ace", acl_numbered),
    CFG(M_CONF, "access-list <1-2699:num> remark LINE:text", acl_remark),
    CFG(M_CONF, "ip access-list {extended | standard} WORD:name", acl_named),
    CFG(M_EXTACL, "[<1-2147483647:seq>] $ace", ace),
    CFG(M_STDACL, "[<1-2147483647:seq>] $sace", ace),
    CFG(M_CONF, "ipv6 access-list WORD:name", acl_ipv6),
    CFG(M_IPV6ACL, "[sequence <1-4294967294:seq>] $ace6", ace),
    CFG(ACLS, "remark LINE:text", ace_remark),
    CFG(M_CONF,
        "ip route A.B.C.D:net A.B.C.D:mask {A.B.C.D:nexthop | IF:if [A.B.C.D:nexthop]} "
        "[<1-255:distance>] "
        "[name WORD:name] [permanent] [tag <1-4294967295:tag>]",
        ip_route),
    CFG(M_CONF, "ipv6 route P/L:net {X:X::X:nexthop | IF:if [X:X::X:nexthop]} [<1-254:distance>]",
        ipv6_route),
    CFG(M_CONF, "router ospf <1-65535:pid>", router_ospf),
    CFG(M_ROUTER, "network A.B.C.D:net A.B.C.D:wild area <0-4294967295:area>", ospf_network),
    CFG(M_ROUTER, "router-id A.B.C.D:id", ospf_keep),
    CFG(M_ROUTER, "passive-interface {default | IF:if}", ospf_keep),
    CFG(M_ROUTER, "redistribute {connected | static} [subnets]", ospf_keep),
    CFG(M_ROUTER, "default-information originate [always]", ospf_keep),
    CFG(M_ROUTER, "log-adjacency-changes [detail]", ospf_keep),
    CFG(M_ROUTER, "auto-cost reference-bandwidth <1-4294967:mbit>", ospf_keep),
    /* ---- show ---- */
    LOOK(EX, "show crypto isakmp sa", show_isakmp_sa),
    LOOK(EX, "show crypto isakmp policy", show_isakmp_policy),
    LOOK(EX, "show crypto isakmp {peers | peer}", show_isakmp_peers),
    LOOK(EX, "show crypto isakmp key", show_isakmp_key),
    LOOK(EX,
         "show crypto ipsec sa [detail] [peer ADDR:peer | interface IF:if | map WORD:map] [detail]",
         show_ipsec_sa),
    LOOK(EX, "show crypto ipsec transform-set", show_transform_set),
    LOOK(EX, "show crypto ipsec profile", show_profile),
    LOOK(EX, "show crypto session [detail]", show_session),
    LOOK(EX, "show crypto map", show_map),
    LOOK(EX, "show interfaces [IF:if]", show_interfaces),
    LOOK(EX, "show ip interface brief", show_ip_brief),
    EXE(EX, "show ip route", show_ip_route),
    EXE(EX, "show ip ospf {neighbor | interface | database | route}", show_ospf),
    EXE(EX, "show {ip access-lists | access-lists}", show_access_lists),
    EXE(EX, "show version", show_version),
    EXE(EX, "show clock", show_clock),
    EXE(EX, "show privilege", show_privilege),
    EXE(EX, "show history", show_history),
    LOOK(EX, "show drops", show_drops),
    EXE(EX, "show adit blackhole", show_holes),
    EXE(M_PRIV, "show running-config [interface IF:if]", show_running),
    EXE(M_PRIV, "show startup-config", show_startup),
    EXE(M_PRIV, "show logging", show_logging),
    EXE(M_PRIV, "show debugging", show_debugging),
    /* ---- doing ---- */
    EXE(M_PRIV, "clear crypto sa [peer ADDR:peer]", clear_sa),
    EXE(M_PRIV, "clear crypto sa counters", clear_counters),
    EXE(M_PRIV, "clear crypto isakmp [<1-2147483647:conn>]", clear_isakmp),
    EXE(M_PRIV, "clear crypto session [remote ADDR:peer]", clear_session),
    EXE(M_PRIV, "clear adit blackhole [WORD:net]", clear_holes),
    EXE(M_PRIV, "clear adit unfinished", clear_unfinished),
    EXE(EX, "ping [ip | ipv6] ADDR:dst [$pingopt] [$pingopt] [$pingopt] [$pingopt] [$pingopt]",
        ping),
    EXE(M_PRIV, "debug crypto {isakmp | ipsec | engine}", debug),
    EXE(M_PRIV, "debug ip packet [detail]", debug),
    EXE(M_PRIV, "no debug crypto {isakmp | ipsec | engine}", debug),
    EXE(M_PRIV, "no debug ip packet [detail]", debug),
    EXE(M_PRIV, "undebug crypto {isakmp | ipsec | engine}", debug),
    EXE(M_PRIV, "undebug ip packet [detail]", debug),
    EXE(M_PRIV, "{no debug | undebug} all", undebug_all),
    EXE(M_PRIV, "keylog {on | off}", keylog),
    LOOK(M_PRIV, "show crypto keys wireshark", show_keys),
    EXE(EX, "terminal {length <0-512:value> | width <0-512:value> | monitor | no monitor}",
        terminal),
    EXE(EX, "enable", enable),
    EXE(EX, "disable", disable),
    EXE(M_PRIV, "configure terminal", configure),
    EXE(M_PRIV, "write [memory | terminal | file]", write),
    EXE(M_PRIV, "copy running-config startup-config", copy),
    EXE(EX, "{exit | logout | quit}", exit),
    EXE(M_CONF | M_SUBMODES, "exit", exit),
    EXE(M_CONF | M_SUBMODES, "end", end),
};
/* clang-format on */
const size_t cli_num_commands = ARRAY_LEN(cli_commands);

static const char *piece_named(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(pieces); i++) {
        if (strcmp(pieces[i].name, name) == 0) {
            return pieces[i].syntax;
        }
    }
    return NULL;
}

/* The compiled rows: the same for every session and never changed, so made once. */
static struct grammar *compiled;

const struct grammar *cli_grammar(void)
{
    static struct grammar_row rows[ARRAY_LEN(cli_commands)];
    if (!compiled) {
        for (unsigned i = 0; i < ARRAY_LEN(cli_commands); i++) {
            rows[i] = (struct grammar_row){cli_commands[i].syntax, cli_commands[i].modes};
        }
        compiled = grammar_new(rows, ARRAY_LEN(rows), piece_named);
    }
    return compiled;
}

void cli_grammar_release(void)
{
    grammar_free(compiled);
    compiled = NULL;
}

/* clang-format off: a table, several words a row */
static const struct {
    const char *word, *text;
} words[] = {
    {"show", "Show running system information"}, {"crypto", "Encryption module"}, {"isakmp", "ISAKMP (IKE)"},
    {"ipsec", "IPsec"}, {"sa", "Security associations"}, {"policy", "ISAKMP protection suite policy"},
    {"peers", "ISAKMP peers"}, {"key", "Pre-shared keys"}, {"session", "Crypto sessions (tunnels)"},
    {"map", "Crypto maps"}, {"transform-set", "Transform sets"}, {"profile", "IPsec profiles"},
    {"interfaces", "Interface status and configuration"}, {"interface", "Interface"}, {"ip", "IP information"},
    {"ipv6", "IPv6 information"}, {"version", "System hardware and software status"},
    {"running-config", "Current operating configuration"}, {"startup-config", "Contents of startup configuration"},
    {"clear", "Reset functions"}, {"ping", "Send echo messages"}, {"debug", "Debugging functions"},
    {"undebug", "Disable debugging functions"}, {"terminal", "Set terminal line parameters"},
    {"enable", "Turn on privileged commands"}, {"disable", "Turn off privileged commands"},
    {"configure", "Enter configuration mode"}, {"write", "Write running configuration"},
    {"copy", "Copy from one file to another"}, {"exit", "Leave this mode"}, {"end", "Leave configuration mode"},
    {"hostname", "Set system's network name"}, {"router", "Enable a routing process"}, {"ospf", "OSPF"},
    {"access-list", "Add an access list entry"}, {"encryption", "Encryption algorithm of the protection suite"},
    {"encr", "Encryption algorithm of the protection suite"}, {"hash", "Hash algorithm of the protection suite"},
    {"authentication", "Authentication method of the protection suite"}, {"group", "Diffie-Hellman group"},
    {"lifetime", "Lifetime"}, {"tunnel", "Tunnel interface parameters"}, {"source", "Source of packets"},
    {"destination", "Destination of tunnel packets"}, {"mode", "Mode"}, {"protection", "Enable tunnel protection"},
    {"shutdown", "Shut down the interface"}, {"description", "Description"}, {"detail", "More detail"},
    {"drops", "Dropped packets by reason"}, {"logging", "Logged messages"}, {"debugging", "State of each debugging option"},
    {"des", "DES - Data Encryption Standard (56 bit keys)"}, {"3des", "Three key triple DES"},
    {"aes", "AES - Advanced Encryption Standard"}, {"no", "Negate a command or set its defaults"},
    {"match", "Match values"}, {"set", "Set values"}, {"line", "Configure a terminal line"},
    {"keylog", "Let snapshots carry session keys, for Wireshark"}, {"all", "Everything"},
    {"128", "128 bit keys"}, {"192", "192 bit keys"}, {"256", "256 bit keys"}, {"15", "15.x output"},
    {"aaa", "Authentication, authorization and accounting"},
    {"access-class", "Filter connections by an access list"},
    {"access-group", "Filter packets by an access list"}, {"access-lists", "Access lists"},
    {"address", "Address"}, {"adit", "What IOS does not have"},
    {"adjust-mss", "Adjust the MSS of TCP connections"}, {"after-encryption", "Fragment after encryption"},
    {"ah-md5-hmac", "AH with HMAC-MD5"}, {"ah-sha-hmac", "AH with HMAC-SHA1"},
    {"ah-sha256-hmac", "AH with HMAC-SHA256"}, {"ah-sha384-hmac", "AH with HMAC-SHA384"},
    {"ah-sha512-hmac", "AH with HMAC-SHA512"},
    {"ahp", "Authentication header protocol"}, {"always", "Also without a default route"}, {"any", "Any host"},
    {"archive", "Archive configuration"}, {"area", "OSPF area"}, {"auto-cost", "OSPF costs from bandwidth"},
    {"aux", "Auxiliary line"}, {"bandwidth", "Bandwidth for routing, kbit/s"},
    {"before-encryption", "Fragment before encryption"}, {"bgp", "Border Gateway Protocol (179)"},
    {"boot-end-marker", "End of boot commands"}, {"boot-start-marker", "Begin of boot commands"},
    {"brief", "One line per interface"}, {"broadcast", "Broadcast network"}, {"cdp", "Cisco Discovery Protocol"},
    {"cef", "Cisco Express Forwarding"}, {"checksum", "Checksum every packet"},
    {"classless", "Follow classless routing"}, {"clock", "System clock"}, {"con", "Console line"},
    {"config-key", "Master key of the configuration"}, {"connected", "Connected networks"},
    {"control-plane", "Control plane"}, {"cost", "OSPF cost"}, {"counters", "Counters"},
    {"database", "OSPF database"}, {"dead-interval", "Time until a neighbour is dead, seconds"},
    {"default", "Default"}, {"default-information", "Default route"}, {"delay", "Delay for routing"},
    {"deny", "Packets to leave alone"}, {"df-bit", "Don't Fragment bit"}, {"dialect", "Form of the output"},
    {"domain", "Domain name system"}, {"domain-lookup", "Translate host names"}, {"domain-name", "Domain name"},
    {"duplex", "Duplex operation"}, {"eigrp", "EIGRP protocol"}, {"encapsulation", "Encapsulation"},
    {"engine", "Crypto engine"}, {"eq", "Match only this port"}, {"esn", "Extended sequence numbers"},
    {"esp", "Encapsulation security payload"},
    {"esp-3des", "ESP with 3DES"}, {"esp-aes", "ESP with AES"},
    {"esp-ccm", "ESP with AES-CCM"}, {"esp-ctr", "ESP with AES in counter mode"}, {"esp-xcbc-mac", "ESP with AES-XCBC-MAC"},
    {"esp-gmac", "ESP with AES-GMAC, without encryption"}, {"esp-des", "ESP with DES"},
    {"esp-gcm", "ESP with AES-GCM"}, {"esp-md5-hmac", "ESP with HMAC-MD5"},
    {"esp-null", "ESP without encryption"}, {"esp-sha-hmac", "ESP with HMAC-SHA1"},
    {"esp-sha256-hmac", "ESP with HMAC-SHA256"}, {"esp-sha384-hmac", "ESP with HMAC-SHA384"},
    {"esp-sha512-hmac", "ESP with HMAC-SHA512"}, {"eui-64", "Interface identifier from the MAC address"},
    {"exec-timeout", "Time until an idle session ends"}, {"extended", "Extended access list"},
    {"fair-queue", "Fair queueing"}, {"file", "The operator's file, with a backup"}, {"flow", "Flow cache"},
    {"forward-protocol", "Forwarded broadcasts"}, {"fragmentation", "Fragmentation of encrypted packets"},
    {"ftp", "File Transfer Protocol (21)"}, {"gre", "Generic routing encapsulation"},
    {"gt", "Match greater ports"}, {"hello-interval", "Time between hellos, seconds"},
    {"history", "Lines typed in this session"}, {"host", "A single host"}, {"http", "HTTP server"},
    {"icmp", "Internet Control Message Protocol"}, {"identity", "Identity of this router"},
    {"igmp", "Internet Group Management Protocol"}, {"in", "Inbound packets"},
    {"invalid-spi-recovery", "Recover from unknown SPIs"}, {"ipinip", "IP in IP tunneling"},
    {"ipip", "IP over IP"}, {"ipsec-isakmp", "Keys by ISAKMP"}, {"ipv4", "Over IPv4"}, {"ipv6ip", "IPv6 over IP"},
    {"keepalive", "Keepalive"}, {"kilobytes", "Volume in kilobytes"}, {"length", "Lines per page"},
    {"link-local", "Link-local address"}, {"load-interval", "Interval of load averages"},
    {"local-address", "Interface whose address is the local endpoint"}, {"log", "Log matches"},
    {"log-adjacency-changes", "Log changes of neighbours"}, {"login", "Ask for a password"},
    {"logout", "Leave the console"}, {"lookup", "Translate host names"}, {"lt", "Match lower ports"},
    {"mac-address-table", "MAC address table"}, {"md5", "Message Digest 5"},
    {"memory", "To the router's own startup configuration"}, {"memory-size", "Memory split"},
    {"mmi", "Management"}, {"monitor", "Log lines to this console"}, {"mtu", "Maximum transmission unit"},
    {"mtu-ignore", "Ignore a neighbour's MTU"}, {"multilink", "Multilink"}, {"name", "Name"},
    {"neighbor", "OSPF neighbours"}, {"network", "Network"}, {"no-xauth", "No extended authentication"},
    {"non500-isakmp", "ISAKMP over NAT (4500)"}, {"nopassword", "Without a password"},
    {"ntp", "Network Time Protocol (123)"}, {"off", "Off"}, {"on", "On"}, {"originate", "Originate"},
    {"out", "Outbound packets"}, {"packet", "Packets"}, {"passive-interface", "No OSPF on an interface"},
    {"password", "Password"}, {"password-encrypt", "Set the master key"},
    {"path-mtu-discovery", "Path MTU discovery"}, {"peer", "Peer"}, {"permanent", "Permanent route"},
    {"permit", "Packets to protect or let through"}, {"pfs", "Perfect forward secrecy"},
    {"point-to-point", "Point-to-point link"}, {"pre-share", "Pre-shared key"}, {"priority", "Priority"},
    {"privilege", "Privilege level"}, {"proxy-arp", "Proxy ARP"}, {"quit", "Leave the console"},
    {"range", "Match a range of ports"}, {"reachable-via", "Source reachable by"},
    {"redirects", "ICMP redirects"}, {"redistribute", "Redistribute routes"},
    {"reference-bandwidth", "Reference bandwidth, Mbit/s"}, {"remark", "Comment"}, {"remote", "The far end"},
    {"repeat", "Number of echos"}, {"replay", "Anti-replay"}, {"require", "Refuse other modes"},
    {"route", "Routes"}, {"route-cache", "Route cache"}, {"router-id", "Router identifier"},
    {"rsa-encr", "RSA encryption"}, {"rsa-sig", "RSA signature"}, {"rx", "The interface it came in by"},
    {"secondary", "Secondary address"}, {"seconds", "Time in seconds"}, {"secret", "Secret"},
    {"security-association", "Security association parameters"}, {"sequence-datagrams", "Number every packet"},
    {"service", "Services"}, {"session-timeout", "Time until a session ends"}, {"sha", "Secure Hash Standard"},
    {"sha256", "Secure Hash Standard 2 (256 bit)"}, {"sha384", "Secure Hash Standard 2 (384 bit)"},
    {"sha512", "Secure Hash Standard 2 (512 bit)"}, {"shared", "Shared by tunnels"},
    {"size", "Size of packets or window"}, {"smtp", "Simple Mail Transport Protocol (25)"},
    {"snmp", "Simple Network Management Protocol (161)"}, {"snmp-server", "SNMP server"},
    {"source-route", "Source routing"}, {"speed", "Speed"}, {"ssh", "Secure shell"},
    {"standard", "Standard access list"}, {"static", "Static routes"}, {"stopbits", "Stop bits"},
    {"subnet-zero", "Subnet zero"}, {"subnets", "Subnets too"}, {"syslog", "System log (514)"}, {"tag", "Tag"},
    {"tcp", "Transmission Control Protocol"}, {"telnet", "Telnet (23)"},
    {"tftp", "Trivial File Transfer Protocol (69)"}, {"timeout", "Time to wait, seconds"},
    {"tos", "Type of service"}, {"transport", "Transport"}, {"ttl", "Time to live"},
    {"udp", "User Datagram Protocol"}, {"unicast", "Unicast"}, {"unicast-routing", "Forward IPv6 packets"},
    {"unnumbered", "Borrow an address"}, {"unreachables", "ICMP unreachables"}, {"username", "A user"},
    {"verify", "Verify the source"}, {"virtual-reassembly", "Virtual reassembly"}, {"vty", "Virtual terminal"},
    {"width", "Width of the screen"}, {"window-size", "Size of the window"}, {"www", "World Wide Web (80)"},
    {"12.4", "12.4 output"},
    {"nat", "Network address translation"}, {"nat-transparency", "Protection through a NAT"},
    {"udp-encapsulation", "In UDP, port 4500"}, {"aggressive", "Aggressive mode"}, {"aggressive-mode", "Aggressive mode"},
    {"client-endpoint", "Who this router says it is"}, {"fqdn", "A fully qualified domain name"},
    {"initiate", "How phase 1 begins"}, {"ipv4-address", "An IPv4 address"}, {"isakmp-profile", "ISAKMP profile"},
    {"keyring", "Keyring"}, {"pre-shared-key", "A pre-shared key of this keyring"}, {"retry", "Between retries"},
    {"self-identity", "Who this router says it is"}, {"user", "A user's name"},
    {"user-fqdn", "A user at a fully qualified domain name"},
    {"keys", "Keys of the running SAs, while the key log is on"}, {"wireshark", "As Wireshark's tables want them"},
};
/* clang-format on */

const char *cli_help(const char *keyword)
{
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(words[i].word, keyword) == 0) {
            return words[i].text;
        }
    }
    return "";
}
