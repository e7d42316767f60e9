/* Anchor of `recovery` (P3): point reads of users' saved states from the journal's file, one statement, one connection.
 *
 *   read FILE < USER_IDS
 *
 * One user id on a line; each must be there. The ids are read before the clock starts.
 * cc -O2 read.c -o read -l:libsqlite3.so.0
 *
 * The prototypes are SQLite's public ABI, declared here so that only its run-time library is needed (libsqlite3-0; the header is in libsqlite3-dev).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;

enum { OK = 0, ROW = 100, READ_ONLY = 1, MAX_ID = 257 };

int sqlite3_open_v2(const char *file, sqlite3 **, int flags, const char *vfs);
int sqlite3_exec(sqlite3 *, const char *sql, void *, void *, char **error);
int sqlite3_prepare_v2(sqlite3 *, const char *sql, int bytes, sqlite3_stmt **, const char **tail);
int sqlite3_bind_text(sqlite3_stmt *, int index, const char *, int bytes, void (*)(void *));
int sqlite3_step(sqlite3_stmt *);
int sqlite3_reset(sqlite3_stmt *);
int sqlite3_column_bytes(sqlite3_stmt *, int column);
const void *sqlite3_column_blob(sqlite3_stmt *, int column);
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
        fprintf(stderr, "read: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: read FILE < USER_IDS\n");
        return 2;
    }
    long count = 0, size = 1024;
    char (*ids)[MAX_ID] = malloc(size * sizeof *ids);
    while (fgets(ids[count], MAX_ID, stdin)) {
        ids[count][strcspn(ids[count], "\n")] = 0;
        if (++count == size)
            ids = realloc(ids, (size *= 2) * sizeof *ids);
    }
    check(sqlite3_open_v2(argv[1], &db, READ_ONLY, NULL) == OK);
    check(sqlite3_exec(db, "PRAGMA cache_size = -8192", NULL, NULL, NULL) == OK);
    sqlite3_stmt *statement;
    check(sqlite3_prepare_v2(db, "SELECT state FROM users WHERE user_id = ?1", -1, &statement, NULL) == OK);

    unsigned char state[1 << 16];
    long bytes = 0;
    double wall = now(), processor = cpu();
    for (long i = 0; i < count; i++) {
        check(sqlite3_bind_text(statement, 1, ids[i], -1, NULL) == OK);
        check(sqlite3_step(statement) == ROW);
        int length = sqlite3_column_bytes(statement, 0);
        memcpy(state, sqlite3_column_blob(statement, 0), length < (int)sizeof state ? length : (int)sizeof state);
        bytes += length;
        check(sqlite3_reset(statement) == OK);
    }
    printf("{\"count\":%ld,\"wall_s\":%.6f,\"cpu_s\":%.6f,\"bytes\":%ld}\n", count, now() - wall, cpu() - processor, bytes);
    return 0;
}
