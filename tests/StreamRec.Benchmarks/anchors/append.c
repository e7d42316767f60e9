/* Anchor of `journal` (P2): SQLite with a write-ahead log and synchronous=FULL, one blob per commit, nothing else.
 *
 *   append FILE COMMITS BYTES
 *
 * Each commit inserts one row with a blob of BYTES; page size and checkpoint interval are those of the journal. At the end the rows are counted.
 * cc -O2 append.c -o append -l:libsqlite3.so.0
 *
 * The prototypes are SQLite's public ABI, declared here so that only its run-time library is needed (libsqlite3-0; the header is in libsqlite3-dev).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
typedef int64_t sqlite3_int64;

enum { OK = 0, ROW = 100, DONE = 101 };

int sqlite3_open(const char *file, sqlite3 **);
int sqlite3_exec(sqlite3 *, const char *sql, void *, void *, char **error);
int sqlite3_prepare_v2(sqlite3 *, const char *sql, int bytes, sqlite3_stmt **, const char **tail);
int sqlite3_bind_blob(sqlite3_stmt *, int index, const void *, int bytes, void (*)(void *));
int sqlite3_step(sqlite3_stmt *);
int sqlite3_reset(sqlite3_stmt *);
sqlite3_int64 sqlite3_column_int64(sqlite3_stmt *, int column);
const char *sqlite3_errmsg(sqlite3 *);

static sqlite3 *db;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void check(int ok) {
    if (!ok) {
        fprintf(stderr, "append: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
}

static sqlite3_stmt *prepare(const char *sql) {
    sqlite3_stmt *statement;
    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == OK);
    return statement;
}

static void run(sqlite3_stmt *statement) {
    check(sqlite3_step(statement) == DONE);
    check(sqlite3_reset(statement) == OK);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: append FILE COMMITS BYTES\n");
        return 2;
    }
    long commits = atol(argv[2]);
    int bytes = atoi(argv[3]);
    check(sqlite3_open(argv[1], &db) == OK);
    check(sqlite3_exec(db,
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 1024;"
        "CREATE TABLE segments (position INTEGER PRIMARY KEY, payload BLOB NOT NULL)", NULL, NULL, NULL) == OK);
    sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *insert = prepare("INSERT INTO segments (payload) VALUES (?1)"), *commit = prepare("COMMIT");
    unsigned char *blob = malloc(bytes);
    uint32_t random = 1;
    for (int i = 0; i < bytes; i++)
        blob[i] = (random = random * 1664525 + 1013904223) >> 24;

    double wall = now(), processor = cpu();
    for (long i = 0; i < commits; i++) {
        run(begin);
        check(sqlite3_bind_blob(insert, 1, blob, bytes, NULL) == OK);
        run(insert);
        run(commit);
    }
    wall = now() - wall;
    processor = cpu() - processor;

    sqlite3_stmt *counted = prepare("SELECT COUNT(*), SUM(LENGTH(payload)) FROM segments");
    check(sqlite3_step(counted) == ROW);
    check(sqlite3_column_int64(counted, 1) == (sqlite3_int64)commits * bytes);
    printf("{\"count\":%lld,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n", (long long)sqlite3_column_int64(counted, 0), wall, processor);
    return 0;
}
