/*
 * rights.c: what ike and dp may do once their descriptors have arrived: nothing but talk over them. They become
 * users that nobody else is (identity.c), lose every capability, can never get one back, and enter a seccomp filter that
 * kills on anything not in the table. Neither can open a file or make a socket, signal anybody but itself, or make memory
 * that can be executed. tests/unit/test_rights.c tries it from inside.
 */
#include "sys/sys.h"

#include <cap-ng.h>
#include <grp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { IN_IKE = 1, IN_DP = 2, IN_SAN = 4, IN_BOTH = IN_IKE | IN_DP };
enum need { ANY_ARGS, NO_EXEC, OWN_PID }; /* what the arguments must be */

static const struct allowed {
    int nr;
    u8 who;
    const char *why;
    enum need need;
} allowed[] = {
    {SCMP_SYS(recvmsg), IN_BOTH,
     "values from main and the peer process; datagrams; path MTU errors"},
    {SCMP_SYS(sendmsg), IN_BOTH, "values, datagrams"},
    {SCMP_SYS(recvmmsg), IN_DP, "a vector of packets from a raw socket"},
    {SCMP_SYS(sendmmsg), IN_DP, "a vector of packets to a raw socket"},
    {SCMP_SYS(sendto), IN_BOTH, "a single packet"},
    {SCMP_SYS(recvfrom), IN_BOTH, "a single packet"},
    {SCMP_SYS(read), IN_DP, "a packet from a TUN"},
    {SCMP_SYS(writev), IN_BOTH, "a packet to a TUN; last words on standard error"},
    {SCMP_SYS(write), IN_BOTH, "a packet to a TUN; last words on standard error"},
    {SCMP_SYS(poll), IN_BOTH, "the loop"},
    {SCMP_SYS(ppoll), IN_BOTH, "the loop"},
    {SCMP_SYS(clock_gettime), IN_BOTH, "time, where the vDSO does not answer"},
    {SCMP_SYS(getrandom), IN_BOTH, "keys, nonces, IV seeds"},
    {SCMP_SYS(close), IN_BOTH, "a port or a peer process has gone"},
    {SCMP_SYS(shutdown), IN_BOTH, "the same"},
    {SCMP_SYS(fcntl), IN_BOTH, "whether a generation of configuration is sealed"},
    {SCMP_SYS(lseek), IN_BOTH, "how long it is"},
    {SCMP_SYS(brk), IN_BOTH, "memory"},
    {SCMP_SYS(mmap), IN_BOTH, "memory", NO_EXEC},
    {SCMP_SYS(munmap), IN_BOTH, "memory"},
    {SCMP_SYS(mremap), IN_BOTH, "memory"},
    {SCMP_SYS(madvise), IN_BOTH, "memory"},
    {SCMP_SYS(mprotect), IN_BOTH, "memory: glibc grows an arena", NO_EXEC},
    {SCMP_SYS(futex), IN_BOTH, "OpenSSL's locks"},
    {SCMP_SYS(rt_sigreturn), IN_BOTH, "after a signal"},
    {SCMP_SYS(rt_sigprocmask), IN_BOTH, "abort()"},
    {SCMP_SYS(rt_sigaction), IN_BOTH, "abort()"},
    {SCMP_SYS(getpid), IN_BOTH, "abort(); OpenSSL looks for forks"},
    {SCMP_SYS(gettid), IN_BOTH, "abort()"},
    {SCMP_SYS(tgkill), IN_BOTH, "abort()", OWN_PID},
    {SCMP_SYS(restart_syscall), IN_BOTH, "a wait interrupted by a stop and continue"},
    {SCMP_SYS(exit), IN_BOTH, "the end"},
    {SCMP_SYS(exit_group), IN_BOTH, "the end"},
    {SCMP_SYS(sigaltstack), IN_SAN, "sanitizers"},
    {SCMP_SYS(sched_yield), IN_SAN, "sanitizers"},
    {SCMP_SYS(prctl), IN_SAN, "sanitizers"},
    {SCMP_SYS(clone), IN_SAN, "leak check"},
    {SCMP_SYS(wait4), IN_SAN, "leak check"},
    {SCMP_SYS(ptrace), IN_SAN, "leak check"},
    {SCMP_SYS(openat), IN_SAN, "reports read /proc/self/maps"},
    {SCMP_SYS(newfstatat), IN_SAN, "reports"},
    {SCMP_SYS(fstat), IN_SAN, "reports"},
    {SCMP_SYS(readlink), IN_SAN, "reports"},
    {SCMP_SYS(ioctl), IN_SAN, "reports ask whether the output is a terminal"},
    {SCMP_SYS(read), IN_SAN, "reports"},
    {SCMP_SYS(getuid), IN_SAN, "reports"},
    {SCMP_SYS(sched_getaffinity), IN_SAN, "reports"},
};

#if defined(ADIT_SANITIZED)
enum { SANITIZED = IN_SAN };
#else
enum { SANITIZED = 0 };
#endif

static bool allow(scmp_filter_ctx f, const struct allowed *a)
{
    switch (a->need) {
    case NO_EXEC: /* the third argument of both is the protection */
        return seccomp_rule_add(f, SCMP_ACT_ALLOW, a->nr, 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
    case OWN_PID:
        return seccomp_rule_add(f, SCMP_ACT_ALLOW, a->nr, 1,
                                SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())) == 0;
    default: return seccomp_rule_add(f, SCMP_ACT_ALLOW, a->nr, 0) == 0;
    }
}

static bool filter(u8 who)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    bool ok = f != NULL;
    for (unsigned i = 0; ok && i < ARRAY_LEN(allowed); i++) {
        if (allowed[i].who & who) {
            ok = allow(f, &allowed[i]);
        }
    }
    ok = ok && seccomp_load(f) == 0;
    if (f) {
        seccomp_release(f);
    }
    return ok;
}

bool rights_drop(enum rights_role role, u32 uid, const char **out_why)
{
    *out_why = "drop the capability bounding set"; /* only root may */
    capng_clear(CAPNG_SELECT_BOTH);
    if (capng_apply(CAPNG_SELECT_BOUNDS) != 0) {
        return false;
    }
    *out_why = "become a user of its own";
    if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) {
        return false;
    }
    *out_why = "drop capabilities";
    if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
        return false;
    }
    *out_why = "forbid new rights";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return false;
    }
    *out_why = "enter the seccomp filter";
    return filter((u8)((role == RIGHTS_IKE ? IN_IKE : IN_DP) | SANITIZED));
}
