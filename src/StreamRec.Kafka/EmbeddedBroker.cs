using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Confluent.Kafka;

namespace StreamRec.Kafka;

/// <summary>How an embedded broker is started.</summary>
public sealed record EmbeddedBrokerOptions
{
    /// <summary>Brokers of the cluster, each with a loopback port of its own, in [1, 10].</summary>
    public int Brokers { get; init; } = 1;
}

/// <summary>A Kafka broker inside this process: the mock cluster that librdkafka carries. Any Kafka client on this machine can use it.</summary>
/// <remarks>
/// Limits: memory only; about <see cref="RetainedBytesPerPartition"/> are kept per partition and the oldest dropped without an error,
/// so a reader must look for gaps (<see cref="LogGap"/>) and a load generator must not run ahead; no compaction, no admin
/// requests, no transactions that isolate; a batch that is sent again is stored again, and one is taken though the one before it was
/// refused, which an idempotent producer takes for both being stored (under <see cref="PushRequestErrors"/> it must have one request in
/// flight); a group's first join takes 3 s, one after a member has left almost a session timeout; a waiting fetch is not woken by a new
/// record, so readers must ask with a small <c>fetch.wait.max.ms</c>. Offsets begin at 0 with each start: <see cref="LogId"/> tells the
/// starts apart, and the topic <c>streamrec.broker.&lt;LogId&gt;</c> tells it to clients in other processes. Threading: any thread.
/// </remarks>
public sealed class EmbeddedBroker : IAsyncDisposable
{
    /// <summary>What a partition holds before its oldest records are dropped, in bytes.</summary>
    public const int RetainedBytesPerPartition = 5 * 1024 * 1024;

    internal const string MarkerPrefix = "streamrec.broker.";

    private const int AllBrokers = -1;
    private readonly MockCluster _cluster;

    private EmbeddedBroker(MockCluster cluster)
    {
        _cluster = cluster;
        BootstrapServers = Marshal.PtrToStringUTF8(NativeMethods.MockClusterBootstraps(cluster))!;
        LogId = RandomNumberGenerator.GetHexString(16, lowercase: true);
        CreateTopic(MarkerPrefix + LogId, 1);
    }

    /// <summary>Where clients connect: <c>host:port</c>, separated by commas.</summary>
    public string BootstrapServers { get; }

    /// <summary>Identity of the log that this start keeps: 16 hexadecimal digits.</summary>
    public string LogId { get; }

    /// <summary>Starts a broker on free loopback ports.</summary>
    /// <exception cref="DllNotFoundException">librdkafka is not installed.</exception>
    public static EmbeddedBroker Start(EmbeddedBrokerOptions options)
    {
        if (options.Brokers is < 1 or > 10)
        {
            throw new ArgumentOutOfRangeException(nameof(options), $"Brokers is {options.Brokers}; it must be in [1, 10].");
        }

        NativeKafka.EnsureLoaded();
        return new EmbeddedBroker(MockCluster.Create(options.Brokers));
    }

    /// <summary>Creates a topic; one that exists stays as it is.</summary>
    public void CreateTopic(string name, int partitions)
    {
        var error = NativeMethods.MockTopicCreate(_cluster, name, partitions, replicationFactor: 1);
        if (error is not (0 or NativeMethods.TopicAlreadyExists))
        {
            throw new KafkaException(new Error((ErrorCode)error, $"The embedded broker refused to create topic {name} with {partitions} partitions: {(ErrorCode)error}"));
        }
    }

    /// <summary>Disconnects everybody and refuses connections until <see cref="SetUp"/>. What the log holds stays.</summary>
    public void SetDown() => Check(NativeMethods.MockBrokerSetDown(_cluster, AllBrokers));

    /// <summary>Accepts connections again.</summary>
    public void SetUp() => Check(NativeMethods.MockBrokerSetUp(_cluster, AllBrokers));

    /// <summary>Delays every answer, in whole milliseconds; zero ends it.</summary>
    public void SetRoundTripTime(TimeSpan delay) =>
        Check(NativeMethods.MockBrokerSetRtt(_cluster, AllBrokers, (int)delay.TotalMilliseconds));

    /// <summary>Answers the next requests of one kind with these errors, one each.</summary>
    /// <param name="apiKey">Kafka's number of the request: 0 produce, 1 fetch, 3 metadata, 8 offset commit, ...</param>
    /// <param name="errors">The errors in order.</param>
    public void PushRequestErrors(short apiKey, params ReadOnlySpan<ErrorCode> errors) =>
        NativeMethods.MockPushRequestErrors(_cluster, apiKey, (nuint)errors.Length, MemoryMarshal.Cast<ErrorCode, int>(errors));

    public ValueTask DisposeAsync()
    {
        _cluster.Dispose();
        return ValueTask.CompletedTask;
    }

    private static void Check(int error)
    {
        if (error != 0)
        {
            throw new KafkaException((ErrorCode)error);
        }
    }
}
