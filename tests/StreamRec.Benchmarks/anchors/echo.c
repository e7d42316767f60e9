/* Anchor of `path` (P8): echoes one topic into another on the same broker, key and value, and does nothing else.
 *
 *   echo BOOTSTRAP FROM TO PARTITIONS
 *
 * Runs until its standard input ends.
 * cc -O2 echo.c -o echo -l:librdkafka.so.1
 *
 * The prototypes are librdkafka's public ABI, declared here so that only its run-time library is needed (librdkafka1; the header is in librdkafka-dev).
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
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

enum { PRODUCER = 0, CONSUMER = 1, OFFSET_BEGINNING = -2, ANY_PARTITION = -1, COPY = 2 };

rd_kafka_conf_t *rd_kafka_conf_new(void);
int rd_kafka_conf_set(rd_kafka_conf_t *, const char *name, const char *value, char *error, size_t size);
rd_kafka_t *rd_kafka_new(int type, rd_kafka_conf_t *, char *error, size_t size);
rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *, const char *topic, void *conf);
rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int size);
void *rd_kafka_topic_partition_list_add(rd_kafka_topic_partition_list_t *, const char *topic, int32_t partition);
int rd_kafka_topic_partition_list_set_offset(rd_kafka_topic_partition_list_t *, const char *topic, int32_t partition, int64_t offset);
int rd_kafka_assign(rd_kafka_t *, const rd_kafka_topic_partition_list_t *);
int rd_kafka_poll_set_consumer(rd_kafka_t *);
int rd_kafka_poll(rd_kafka_t *, int timeout_ms);
rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *);
ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t *, int timeout_ms, rd_kafka_message_t **, size_t);
void rd_kafka_message_destroy(rd_kafka_message_t *);
int rd_kafka_produce(rd_kafka_topic_t *, int32_t partition, int flags, void *payload, size_t len, const void *key, size_t key_len, void *opaque);
rd_kafka_message_t *rd_kafka_consumer_poll(rd_kafka_t *, int timeout_ms);

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
        fprintf(stderr, "echo: %s\n", error);
        exit(1);
    }
}

static rd_kafka_t *client(int type, rd_kafka_conf_t *conf) {
    char error[256];
    rd_kafka_t *kafka = rd_kafka_new(type, conf, error, sizeof error);
    if (!kafka) {
        fprintf(stderr, "echo: %s\n", error);
        exit(1);
    }
    return kafka;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: echo BOOTSTRAP FROM TO PARTITIONS\n");
        return 2;
    }
    int partitions = atoi(argv[4]);

    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "linger.ms", "0");
    set(conf, "enable.idempotence", "true"); /* as the server's own producer */
    rd_kafka_t *producer = client(PRODUCER, conf);
    rd_kafka_topic_t *to = rd_kafka_topic_new(producer, argv[3], NULL);

    conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "group.id", "anchor");
    set(conf, "enable.auto.commit", "false");
    set(conf, "fetch.wait.max.ms", "2"); /* the embedded broker answers a waiting fetch only when its time is up */
    rd_kafka_t *consumer = client(CONSUMER, conf);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int p = 0; p < partitions; p++) {
        rd_kafka_topic_partition_list_add(list, argv[2], p);
        rd_kafka_topic_partition_list_set_offset(list, argv[2], p, OFFSET_BEGINNING);
    }
    rd_kafka_assign(consumer, list);

    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    long count = 0;
    double wall = now(), processor = cpu();
    while (poll(&input, 1, 0) == 0) {
        /* One at a time: a batch call would wait for more to come. */
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (!message)
            continue;
        if (message->err == 0) {
            while (rd_kafka_produce(to, ANY_PARTITION, COPY, message->payload, message->len, message->key, message->key_len, NULL) != 0)
                rd_kafka_poll(producer, 1); /* its queue is full */
            count++;
        }
        rd_kafka_message_destroy(message);
        rd_kafka_poll(producer, 0);
    }
    printf("{\"count\":%ld,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n", count, now() - wall, cpu() - processor);
    fflush(stdout);
    _Exit(0); /* closing a consumer only waits */
}
