/* Anchor of `ingest` (P1 b): librdkafka's batch consume in C, which only counts.
 *
 *   consume BOOTSTRAP TOPIC PARTITIONS SKIP COUNT [SETTING=VALUE ...]
 *
 * Reads every partition from its beginning; the first SKIP records are not timed, the next COUNT are. Settings are librdkafka's.
 * cc -O2 consume.c -o consume -l:librdkafka.so.1
 *
 * The prototypes are librdkafka's public ABI, declared here so that only its run-time library is needed (librdkafka1; the header is in librdkafka-dev).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_topic_partition_list_s rd_kafka_topic_partition_list_t;
typedef struct {
    int err;
    void *rkt;
    int32_t partition;
    void *payload;
    size_t len;
    void *key;
    size_t key_len;
    int64_t offset;
    void *opaque;
} rd_kafka_message_t;

enum { CONSUMER = 1, OFFSET_BEGINNING = -2 };

rd_kafka_conf_t *rd_kafka_conf_new(void);
int rd_kafka_conf_set(rd_kafka_conf_t *, const char *name, const char *value, char *error, size_t size);
rd_kafka_t *rd_kafka_new(int type, rd_kafka_conf_t *, char *error, size_t size);
rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int size);
void *rd_kafka_topic_partition_list_add(rd_kafka_topic_partition_list_t *, const char *topic, int32_t partition);
int rd_kafka_topic_partition_list_set_offset(rd_kafka_topic_partition_list_t *, const char *topic, int32_t partition, int64_t offset);
int rd_kafka_assign(rd_kafka_t *, const rd_kafka_topic_partition_list_t *);
int rd_kafka_poll_set_consumer(rd_kafka_t *);
rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *);
ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t *, int timeout_ms, rd_kafka_message_t **, size_t);
void rd_kafka_message_destroy(rd_kafka_message_t *);

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

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char error[256];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != 0) {
        fprintf(stderr, "consume: %s\n", error);
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: consume BOOTSTRAP TOPIC PARTITIONS SKIP COUNT [SETTING=VALUE ...]\n");
        return 2;
    }
    const char *topic = argv[2];
    int partitions = atoi(argv[3]);
    long skip = atol(argv[4]), count = atol(argv[5]);

    char error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "group.id", "anchor");
    set(conf, "enable.auto.commit", "false");
    for (int i = 6; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            return 2;
        *value = 0;
        set(conf, argv[i], value + 1);
    }
    rd_kafka_t *kafka = rd_kafka_new(CONSUMER, conf, error, sizeof error);
    if (!kafka) {
        fprintf(stderr, "consume: %s\n", error);
        return 1;
    }
    rd_kafka_poll_set_consumer(kafka);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int p = 0; p < partitions; p++) {
        rd_kafka_topic_partition_list_add(list, topic, p);
        rd_kafka_topic_partition_list_set_offset(list, topic, p, OFFSET_BEGINNING);
    }
    rd_kafka_assign(kafka, list);

    enum { BATCH = 1000 };
    rd_kafka_message_t *messages[BATCH];
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(kafka);
    long seen = 0;
    double wall = 0, processor = 0;
    for (int timed = 0; timed < 2; timed++) {
        long until = timed ? skip + count : skip;
        wall = now();
        processor = cpu();
        while (seen < until) {
            long left = until - seen;
            ssize_t n = rd_kafka_consume_batch_queue(queue, 100, messages, left < BATCH ? left : BATCH);
            for (ssize_t i = 0; i < n; i++) {
                seen += messages[i]->err == 0;
                rd_kafka_message_destroy(messages[i]);
            }
        }
    }
    printf("{\"count\":%ld,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n", seen - skip, now() - wall, cpu() - processor);
    fflush(stdout);
    _Exit(0); /* closing a consumer only waits */
}
