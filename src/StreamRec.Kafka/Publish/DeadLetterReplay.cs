using Confluent.Kafka;
using Microsoft.Extensions.Logging;

namespace StreamRec.Kafka.Publish;

/// <summary>Why a letter is not sent back.</summary>
public enum ReplayRefusal
{
    /// <summary>Nothing stands against it.</summary>
    None,

    /// <summary>The record was too large for the dead-letter topic, so its bytes are not there.</summary>
    WithoutBytes,

    /// <summary>It has failed <see cref="DeadLetterReplay.MaxAttempts"/> times or more.</summary>
    TooManyAttempts,

    /// <summary>It does not come from a partition of a topic that this server reads.</summary>
    Foreign,
}

/// <summary>Sends dead letters back to the partitions that they came from, as the records that they were.</summary>
/// <remarks>
/// Only to topics that a server with these settings reads: a letter's headers are whatever somebody wrote there. Threading: one caller. Dispose after
/// <see cref="FlushAsync"/>.
/// </remarks>
public sealed class DeadLetterReplay : IDisposable
{
    /// <summary>A record that has failed as often as this is left out unless it is asked for.</summary>
    public const int MaxAttempts = 3;

    private readonly KafkaCluster _cluster;
    private readonly KafkaOptions _options;
    private readonly ILogger _logger;
    private readonly Dictionary<string, int> _partitions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, RecordProducer> _producers = new(StringComparer.Ordinal);
    private readonly RetentionGuard? _guard;
    private Exception? _failure;
    private long _sent;
    private long _acknowledged;

    /// <exception cref="KafkaException">The broker does not answer within <see cref="KafkaOptions.ConnectTimeout"/>.</exception>
    public DeadLetterReplay(KafkaCluster cluster, KafkaOptions options, ILogger<DeadLetterReplay> logger)
    {
        _cluster = cluster;
        _options = options;
        _logger = logger;
        using (var admin = new AdminClientBuilder(ClientConfig.Admin(cluster.BootstrapServers, options)).Build())
        {
            foreach (var name in new[] { options.Topics.Interactions, options.Topics.Items, options.Topics.Requests })
            {
                _partitions[name] = admin.GetMetadata(name, options.ConnectTimeout).Topics.Single().Partitions.Count;
            }
        }

        _guard = cluster.IsEmbedded ? new RetentionGuard(cluster, options) : null;
    }

    /// <summary>Records that the broker has acknowledged.</summary>
    public long Acknowledged => Interlocked.Read(ref _acknowledged);

    /// <summary>What stands against sending a letter back.</summary>
    /// <param name="letter">The letter.</param>
    /// <param name="all">However often it has failed.</param>
    public ReplayRefusal Check(StoredLetter letter, bool all) =>
        letter.Topic is not { } topic || letter.Partition is not { } partition || partition >= _partitions.GetValueOrDefault(topic) ? ReplayRefusal.Foreign
        : letter.OmittedBytes is not null ? ReplayRefusal.WithoutBytes
        : letter.Attempts >= MaxAttempts && !all ? ReplayRefusal.TooManyAttempts
        : ReplayRefusal.None;

    /// <summary>Sends one back; waits while the queue is full or the server is too far behind an embedded broker's retention.</summary>
    /// <param name="letter">A letter that nothing stands against (<see cref="Check"/>).</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="KafkaException">A record could not be written.</exception>
    public async ValueTask SendAsync(StoredLetter letter, CancellationToken cancellationToken)
    {
        if (_failure is not null)
        {
            throw _failure;
        }

        var (topic, partition) = (letter.Topic!, letter.Partition!.Value);
        var guard = topic == _options.Topics.Interactions ? _guard : null;
        if (guard is not null)
        {
            await guard.WaitAsync(SizeOf(letter), cancellationToken);
        }

        var producer = ProducerOf(topic);
        _sent++;
        producer.Produce(Record(letter), partition, report =>
        {
            if (report.Error.IsError)
            {
                producer.Fail(report.Error);
                return;
            }

            guard?.Delivered(report.Partition.Value, report.Offset.Value);
            Interlocked.Increment(ref _acknowledged);
        });
    }

    /// <summary>Waits until everything sent is acknowledged.</summary>
    /// <exception cref="KafkaException">A record could not be written.</exception>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        while (Acknowledged < _sent)
        {
            if (_failure is not null)
            {
                throw _failure;
            }

            await Task.Delay(5, cancellationToken);
        }
    }

    public void Dispose()
    {
        foreach (var producer in _producers.Values)
        {
            producer.Dispose();
        }

        _guard?.Dispose();
    }

    private static Message<byte[], byte[]> Record(StoredLetter letter)
    {
        var headers = new Headers();
        foreach (var header in letter.OwnHeaders)
        {
            headers.Add(header.Name, header.Value);
        }

        ErrorHeaders.Add(headers, ErrorHeaders.Attempts, ErrorHeaders.Text(letter.Attempts));
        return new Message<byte[], byte[]>
        {
            Key = letter.Key!,
            Value = letter.Value!,
            Headers = headers,
            Timestamp = new Timestamp(letter.TimestampMs, TimestampType.CreateTime),
        };
    }

    private static int SizeOf(StoredLetter letter) =>
        (letter.Key?.Length ?? 0) + (letter.Value?.Length ?? 0) + letter.Headers.Sum(h => h.Name.Length + (h.Value?.Length ?? 0));

    private RecordProducer ProducerOf(string topic)
    {
        if (!_producers.TryGetValue(topic, out var producer))
        {
            var config = ClientConfig.Producer(_cluster, _options);
            config.LingerMs = 5;
            // Whatever the dead-letter topic takes must fit here too.
            config.MessageMaxBytes = Math.Max(config.MessageMaxBytes ?? 0, DeadLetters.MaxMessageBytes);
            _producers[topic] = producer = new RecordProducer(config, topic, _logger, e => _failure ??= e);
        }

        return producer;
    }
}
