/* Anchor of `journal` on PostgreSQL (P4): binary COPY of the same interactions, a row for each.
 *
 *   copy CONNECTION COMMITS ROWS
 *
 * COMMITS times a COPY of ROWS rows (user text, item int, type smallint, source_offset bigint, at bigint, value float8), each its own transaction. At the
 * end the rows are counted. CONNECTION is libpq's, for example "host=127.0.0.1 port=5432 user=streamrec dbname=postgres".
 * cc -O2 copy.c -o copy -l:libpq.so.5
 *
 * The prototypes are libpq's public ABI, declared here so that only its run-time library is needed (libpq5; the header is in libpq-dev).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;

enum { CONNECTION_OK = 0, COMMAND_OK = 1, TUPLES_OK = 2, COPY_IN = 4, USERS = 1000000, ITEMS = 12000 };

PGconn *PQconnectdb(const char *);
int PQstatus(const PGconn *);
char *PQerrorMessage(const PGconn *);
PGresult *PQexec(PGconn *, const char *sql);
int PQresultStatus(const PGresult *);
char *PQgetvalue(const PGresult *, int row, int column);
void PQclear(PGresult *);
int PQputCopyData(PGconn *, const char *, int bytes);
int PQputCopyEnd(PGconn *, const char *error);
PGresult *PQgetResult(PGconn *);

static PGconn *db;
static unsigned char *buffer, *end;

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
        fprintf(stderr, "copy: %s\n", PQerrorMessage(db));
        exit(1);
    }
}

static void run(const char *sql, int status) {
    PGresult *result = PQexec(db, sql);
    check(PQresultStatus(result) == status);
    PQclear(result);
}

static void put(uint64_t value, int bytes) { /* network order */
    while (bytes > 0)
        *end++ = (unsigned char)(value >> (8 * --bytes));
}

static void field(uint64_t value, int bytes) {
    put(bytes, 4);
    put(value, bytes);
}

static void row(long offset, uint32_t random) {
    char user[16];
    int length = snprintf(user, sizeof user, "user-%07u", (random >> 4) % USERS);
    double none = __builtin_nan("");
    uint64_t value;
    memcpy(&value, &none, sizeof value);
    put(6, 2);
    put(length, 4);
    memcpy(end, user, length);
    end += length;
    field((random ^ (random >> 15)) % ITEMS, 4);
    field(0, 2);
    field(offset, 8);
    field(1700000000000 + 10 * offset, 8);
    field(value, 8);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: copy CONNECTION COMMITS ROWS\n");
        return 2;
    }
    long commits = atol(argv[2]), rows = atol(argv[3]);
    db = PQconnectdb(argv[1]);
    check(PQstatus(db) == CONNECTION_OK);
    run("DROP TABLE IF EXISTS interactions", COMMAND_OK);
    run("CREATE TABLE interactions (user_id text, item int, type smallint, source_offset bigint, at bigint, value float8)", COMMAND_OK);
    buffer = malloc(64 + rows * 96);
    uint32_t random = 1;
    long offset = 0;

    double wall = now(), processor = cpu();
    for (long commit = 0; commit < commits; commit++) {
        end = buffer;
        memcpy(end, "PGCOPY\n\377\r\n\0", 11);
        end += 11;
        put(0, 8); /* no flags, no header extension */
        for (long i = 0; i < rows; i++)
            row(offset++, random = random * 1664525 + 1013904223);
        put(0xffff, 2);
        run("COPY interactions FROM STDIN (FORMAT binary)", COPY_IN);
        check(PQputCopyData(db, (char *)buffer, (int)(end - buffer)) == 1);
        check(PQputCopyEnd(db, NULL) == 1);
        PGresult *result = PQgetResult(db);
        check(PQresultStatus(result) == COMMAND_OK);
        PQclear(result);
        check(PQgetResult(db) == NULL);
    }
    wall = now() - wall;
    processor = cpu() - processor;

    PGresult *counted = PQexec(db, "SELECT COUNT(*) FROM interactions");
    check(PQresultStatus(counted) == TUPLES_OK);
    printf("{\"count\":%s,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n", PQgetvalue(counted, 0, 0), wall, processor);
    PQclear(counted);
    run("DROP TABLE interactions", COMMAND_OK);
    return 0;
}
