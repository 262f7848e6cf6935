/*
 * limits.h: how many, how long, how often: the numbers that the key daemon goes by where neither the operator nor the peer says.
 */
#ifndef ADIT_IKE_LIMITS_H
#define ADIT_IKE_LIMITS_H

enum {
    HALF_OPEN_BYTES = 32 << 20,   /* first messages whose address is not proved: room for them */
    HALF_OPEN_WRONG = 512,        /* wrong messages of one unfinished negotiation that are looked at at once, */
    HALF_OPEN_WRONG_PER_S = 256,  /* and how many more in each second after */
    GUESTS_MAX = IKE_NEGO_DEFAULT, /* address proved, identity not: as IOS, call admission limit in-negotiation-sa */
    GUESTS_PER_ADDRESS = 24,
    GUESTS_PER_NEGOTIATION = 4,   /* under one pair of cookies: a message 3 may have been forged */
    GUEST_STAY_MS = 2000,         /* for message 5 to come, before another may take its place */
    NONCE_LEN = 20,               /* of ours */
    MSGIDS_MAX = 2048,            /* message ids of the peer's that an ISAKMP SA keeps; then it is renewed */
    REKEY_JITTER_MS = 10000,
    IN_GRACE_MS = 2000,           /* a pair that goes takes in that long what was under way when we said Delete */
    ANSWER_MS = 2000,             /* as responder we begin no quick mode of our own for a flow that long */
    OUT_CONFIRM_MS = 6000,        /* a new pair of ours that replaces one sends after that long at the latest */
    FRAG_MAX_BYTES = 1200,        /* longer messages go in pieces of that, where both ends speak of it: with UDP and IP it fits 1280 */
    NATT_PORT = 4500, NATT_KEEPALIVE_S = 20, /* RFC 3948 4 */
    LIVE_SILENCE_S = 20, LIVE_RETRY_S = 2, LIVE_TRIES = 3, LIVE_TRIES_KEEPALIVE = 5,
    UNKNOWN_SPI_MS = 1000,        /* once in that time an SPI we do not know makes us do something, for each far end */
    PROBE_EVERY_MS = 300000,      /* a quick mode to see whether a peer lives that cannot be asked */
    PROBE_ALIVE_MS = 1800000,     /* the same when the peer lives, and it is the pair that carries nothing back */
    SAID_MS = 60000,              /* the same line about the same peer is not said again that long */
    P1_LIFE_MIN_S = 4, P2_LIFE_MIN_S = 4, P2_LIFE_MIN_KB = 1024, /* shorter is refused */
    DELETED_LINGER_MS = 60000,    /* a deleted SA stays listed about a minute */
    NODE_LINGER_MS = 60000,       /* a finished exchange answers duplicates that long */
    ASKED_SOON_MS = 2000,         /* a client whose user is not asked for so long says its last message again */
    BEHIND_LAST_MS = 700,         /* what is begun right behind the last message of aggressive mode is said again after that */
    RESEND_MIN_MS = 500,          /* a duplicate is answered at most that often, or twice in the time of a retransmission */
    CLIENT_STAY_MS = 60000,       /* a client's flow without a pair is given back after that long */
    PARKED_MAX = 64, PARKED_MS = 10000, /* first messages of clients that wait for their flow: so many, so long */
    RESTART_MS = 10000,           /* a new process waits that long for dp to say which SAs it holds */
    OLD_PAIR_GRACE_MS = 8000,     /* the old pair lives on that long after the new one is up */
    LEFT_PAIR_MS = 20000,         /* the far end renewed it and does not take it away: then we do */
    DUPLICATE_GRACE_MS = 12000,   /* two pairs made at once: the loser goes after that long */
    RENEW_AGAIN_MS = 30000,       /* of a peer that deletes its ISAKMP SAs the pairs are made anew at most that often */
    BACKOFF_MIN_MS = 10000,
    BACKOFF_MAX_MS = 300000,
    LOG_BURST = 20,               /* failure lines per second; the rest is only counted */
    NOTIFIES_PER_S = 50,          /* errors told to whoever it is, unprotected */
    SEEN_HASHES = 6, SPI_GRAVES = 1024,
    P1_LIFE_DEFAULT_S = 86400, P2_LIFE_DEFAULT_S = 28800, /* RFC 2407 4.5 */
};

#endif
