using System.Runtime.InteropServices;

namespace StreamRec.Kafka;

/// <summary>The few librdkafka functions that the managed client does not offer: reading many records at once (rdkafka.h), a bare handle and the mock cluster (rdkafka_mock.h, 2.0.2).</summary>
internal static partial class NativeMethods
{
    internal const int Producer = 0;
    internal const int TopicAlreadyExists = 36;

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_conf_new")]
    internal static partial nint ConfNew();

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_conf_set", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int ConfSet(nint conf, string name, string value, Span<byte> error, nuint errorSize);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_conf_destroy")]
    internal static partial void ConfDestroy(nint conf);

    /// <summary>Takes ownership of the configuration when it succeeds.</summary>
    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_new")]
    internal static partial nint New(int type, nint conf, Span<byte> error, nuint errorSize);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_destroy")]
    internal static partial void Destroy(nint client);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_mock_cluster_new")]
    internal static partial nint MockClusterNew(nint client, int brokers);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_mock_cluster_destroy")]
    internal static partial void MockClusterDestroy(nint cluster);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_mock_cluster_bootstraps")]
    internal static partial nint MockClusterBootstraps(MockCluster cluster);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_mock_topic_create", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int MockTopicCreate(MockCluster cluster, string topic, int partitions, int replicationFactor);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_mock_broker_set_down")]
    internal static partial int MockBrokerSetDown(MockCluster cluster, int brokerId);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_mock_broker_set_up")]
    internal static partial int MockBrokerSetUp(MockCluster cluster, int brokerId);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_mock_broker_set_rtt")]
    internal static partial int MockBrokerSetRtt(MockCluster cluster, int brokerId, int milliseconds);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_mock_push_request_errors_array")]
    internal static partial void MockPushRequestErrors(MockCluster cluster, short apiKey, nuint count, ReadOnlySpan<int> errors);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_queue_get_consumer")]
    internal static partial nint QueueGetConsumer(nint client);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_queue_destroy")]
    internal static partial void QueueDestroy(nint queue);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_consume_batch_queue")]
    internal static unsafe partial nint ConsumeBatchQueue(nint queue, int timeoutMs, nint* messages, nuint count);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_message_destroy")]
    internal static partial void MessageDestroy(nint message);

    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_message_timestamp")]
    [SuppressGCTransition]
    internal static unsafe partial long MessageTimestamp(Message* message, out int type);

    /// <summary>Not 0 when there are no headers.</summary>
    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_message_headers")]
    internal static unsafe partial int MessageHeaders(Message* message, out nint headers);

    /// <summary>Not 0 when there are not so many headers.</summary>
    [LibraryImport(NativeKafka.Library, EntryPoint = "rd_kafka_header_get_all")]
    internal static unsafe partial int HeaderGetAll(nint headers, nuint index, out nint name, out byte* value, out nuint length);

    [LibraryImport("libc", EntryPoint = "pthread_sigmask")]
    internal static unsafe partial int SignalMask(int how, ulong* mask, ulong* former);

    /// <summary>rd_kafka_message_t.</summary>
    internal unsafe struct Message
    {
        public int Error;
        public nint Topic;
        public int Partition;
        public byte* Payload;
        public nuint Length;
        public byte* Key;
        public nuint KeyLength;
        public long Offset;
        public nint Private;
    }
}

/// <summary>A mock cluster together with the client handle that librdkafka demands for it; both go together.</summary>
internal sealed class MockCluster : SafeHandle
{
    // glibc's sigset_t has 1,024 bits, whatever the kernel uses of them; musl's is no larger.
    private const int SignalSetWords = 16;

    private nint _client;

    public MockCluster() : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    /// <exception cref="InvalidOperationException">librdkafka refused; the message carries its words.</exception>
    public static MockCluster Create(int brokers)
    {
        var error = new byte[512];
        var conf = NativeMethods.ConfNew();
        // The bookkeeping client connects to nothing; at its usual level it would complain of that on standard error.
        if (NativeMethods.ConfSet(conf, "log_level", "2", error, (nuint)error.Length) != 0)
        {
            NativeMethods.ConfDestroy(conf);
            throw new InvalidOperationException($"librdkafka refused log_level=2: {Text(error)}");
        }

        var client = NativeMethods.New(NativeMethods.Producer, conf, error, (nuint)error.Length);
        if (client == 0)
        {
            NativeMethods.ConfDestroy(conf);
            throw new InvalidOperationException($"librdkafka made no client for the embedded broker: {Text(error)}");
        }

        var cluster = new MockCluster { _client = client };
        cluster.SetHandle(NewWithoutSignals(client, brokers));
        if (cluster.IsInvalid)
        {
            NativeMethods.Destroy(client);
            throw new InvalidOperationException($"librdkafka made no mock cluster of {brokers} brokers: are loopback ports free?");
        }

        return cluster;
    }

    // The broker's thread ends for good when a signal interrupts its poll (librdkafka 2.0.2), for example SIGCONT after Ctrl-Z.
    // It inherits the mask of the thread that starts it, so that signals go to others.
    private static unsafe nint NewWithoutSignals(nint client, int brokers)
    {
        if (!OperatingSystem.IsLinux())
        {
            return NativeMethods.MockClusterNew(client, brokers);
        }

        const int setMask = 2;
        var block = stackalloc ulong[SignalSetWords];
        var restore = stackalloc ulong[SignalSetWords];
        new Span<ulong>(block, SignalSetWords).Fill(ulong.MaxValue);
        _ = NativeMethods.SignalMask(setMask, block, restore);
        try
        {
            return NativeMethods.MockClusterNew(client, brokers);
        }
        finally
        {
            _ = NativeMethods.SignalMask(setMask, restore, null);
        }
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.MockClusterDestroy(handle);
        NativeMethods.Destroy(_client);
        return true;
    }

    private static string Text(byte[] error) => System.Text.Encoding.UTF8.GetString(error.AsSpan(0, Math.Max(0, Array.IndexOf(error, (byte)0))));
}
