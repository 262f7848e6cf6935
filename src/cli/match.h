/*
 * match.h: command syntax as text, compiled once into a graph, and lines matched against all rows of a mode at
 * the same time, so abbreviations, ambiguity, `?` and Tab follow from the rows alone.
 *
 * Syntax of a row:
 *   word              a keyword, may be cut to a unique prefix
 *   {a | b c}  [x]    choice; optional
 *   <1-100:name>      a number in that range
 *   A.B.C.D:name      an IPv4 address      X:X::X:name    an IPv6 address     ADDR:name   either
 *   P/L:name          an IPv6 prefix       WORD:name      any token           LINE:name   the rest of the line
 *   IF:name           an interface name, one token (fa0/0) or two (fa 0/0)
 *   $name             a named piece of syntax (grammar.c: pieces)
 */
#ifndef ADIT_CLI_MATCH_H
#define ADIT_CLI_MATCH_H

#include "conf/conf.h"

enum { MATCH_MAX_TOKENS = 64, MATCH_LINE = 1024 };

struct gnode;
struct grammar; /* a compiled set of rows */

struct match_arg {
    const char *name; /* of the argument, or the keyword's text */
    const char *text; /* the token; for IF the canonical name; for LINE the rest of the line */
    u16 col;          /* 1-based column in the line */
    bool keyword;
    u64 number;
};
enum match_result { MATCH_OK, MATCH_INVALID, MATCH_INCOMPLETE, MATCH_AMBIGUOUS, MATCH_EMPTY };
struct match {
    enum match_result result;
    bool no;      /* the line began with `no` */
    bool partial; /* ... and said less than the row has: arguments may be missing */
    int row; /* index of the matched row */
    int num;
    struct match_arg arg[MATCH_MAX_TOKENS];
    u16 bad_col; /* INVALID: 1-based column of the first bad token; INCOMPLETE: just past the line */
    int depth;   /* tokens understood before it went wrong */
    char expected[512];       /* what would have been right at bad_col */
    char buf[MATCH_LINE * 2]; /* the tokens' text */
};

struct grammar_row {
    const char *syntax;
    u32 modes; /* bit set, chosen by the user of the grammar */
};
/* grammar_new: compiles num rows; aborts on a malformed syntax (our bug; a test compiles all of them).
 * piece: looks up $name. */
struct grammar *grammar_new(const struct grammar_row *rows, size_t num,
                            const char *(*piece)(const char *name));
void grammar_free(struct grammar *g);
/* grammar_match: matches line against the rows whose modes have the bit; allow_no: a leading `no` is taken off
 * and an incomplete rest is fine (result OK with the longest unique row). */
void grammar_match(struct match *out, const struct grammar *g, u32 mode, const char *line,
                   bool allow_no);
/* grammar_try: the same for whoever does not want to know what would have been right: expected stays empty. */
void grammar_try(struct match *out, const struct grammar *g, u32 mode, const char *line,
                 bool allow_no);

/* What may stand at the end of a partial line. word: the unfinished last token ("" after a blank). */
struct match_choice {
    const char *text; /* keyword, or "<1-100>", "A.B.C.D", "WORD" */
    bool keyword;
};
/* grammar_choices: returns how many; *out_end: the line is complete as it stands (<cr>). -1: the line is wrong. */
int grammar_choices(struct match_choice *out, int cap, bool *out_end, const struct grammar *g,
                    u32 mode, const char *line, bool allow_no);

/* Arguments by name. */
const struct match_arg *match_arg(const struct match *m, const char *name); /* NULL: not there */
const char *match_text(const struct match *m, const char *name);            /* NULL: not there */
bool match_has(const struct match *m, const char *keyword);
u64 match_number(const struct match *m, const char *name, u64 absent);

#endif
