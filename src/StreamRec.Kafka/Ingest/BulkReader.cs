using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Confluent.Kafka;

namespace StreamRec.Kafka.Ingest;

/// <summary>Reads a consumer's records many at a time and in the client's own memory, where the managed client makes four objects of each.</summary>
/// <remarks>
/// It takes the place of <c>Consume</c>, and so counts as the consumer's poll: the handlers of rebalances and errors run inside
/// <see cref="Read"/>. The managed client would rethrow from <c>Consume</c> what its own part of a rebalance throws; whoever reads this way has
/// to look whether the assignment is what the handler returned. Threading: the consumer's thread; disposed before the consumer is closed.
/// </remarks>
internal sealed unsafe class BulkReader : IDisposable
{
    private readonly nint[] _records;
    private readonly nint _queue;
    private int _count;

    /// <param name="consumer">The consumer, of which this is the only reader.</param>
    /// <param name="capacity">Records in one read at most.</param>
    public BulkReader(IConsumer<byte[], byte[]> consumer, int capacity)
    {
        _records = GC.AllocateArray<nint>(capacity, pinned: true);
        _queue = NativeMethods.QueueGetConsumer(((SafeHandle)ClientOf(consumer.Handle)).DangerousGetHandle());
    }

    /// <summary>The record at a place below what <see cref="Read"/> returned. Valid until <see cref="Release"/>.</summary>
    public RawRecord this[int index] => new((NativeMethods.Message*)_records[index]);

    /// <summary>Takes the records that are there; when there are none, waits for one. Returns how many there are now.</summary>
    public int Read(TimeSpan timeout)
    {
        Release();
        _count = Take(timeoutMs: 0, _records.Length);
        if (_count == 0 && timeout > TimeSpan.Zero)
        {
            // A wait for more than one record would last until that many are there.
            _count = Take((int)timeout.TotalMilliseconds, 1);
        }

        return _count;
    }

    /// <summary>Gives the records back to the client.</summary>
    public void Release()
    {
        for (var i = 0; i < _count; i++)
        {
            NativeMethods.MessageDestroy(_records[i]);
        }

        _count = 0;
    }

    public void Dispose()
    {
        Release();
        NativeMethods.QueueDestroy(_queue);
    }

    private int Take(int timeoutMs, int most) =>
        (int)NativeMethods.ConsumeBatchQueue(_queue, timeoutMs, (nint*)Unsafe.AsPointer(ref _records[0]), (nuint)most);

    // The handle has no public way to the native client; the package's version is fixed, and every start of a server comes through here.
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_LibrdkafkaHandle")]
    [return: UnsafeAccessorType("Confluent.Kafka.Impl.SafeKafkaHandle, Confluent.Kafka")]
    private static extern object ClientOf(Handle handle);
}

/// <summary>A record, or an error that a consumer reports in place of one, in librdkafka's memory.</summary>
internal readonly unsafe ref struct RawRecord
{
    private readonly NativeMethods.Message* _message;

    internal RawRecord(NativeMethods.Message* message) => _message = message;

    /// <summary>What the consumer reports instead of a record, or NoError.</summary>
    public ErrorCode ErrorCode => (ErrorCode)_message->Error;

    /// <summary>The words for <see cref="ErrorCode"/>.</summary>
    public string ErrorReason => System.Text.Encoding.UTF8.GetString(Value) is { Length: > 0 } reason ? reason : ErrorCode.GetReason();

    public int Partition => _message->Partition;

    public long Offset => _message->Offset;

    public ReadOnlySpan<byte> Value => new(_message->Payload, (int)_message->Length);

    /// <summary>When it was sent, or written, as the topic is set up; ms since 1970, -1 when the log does not say.</summary>
    public long TimestampMs => NativeMethods.MessageTimestamp(_message, out _);

    /// <summary>A copy of the headers; null when there are none.</summary>
    public Headers? Headers()
    {
        if (NativeMethods.MessageHeaders(_message, out var native) != 0)
        {
            return null;
        }

        var headers = new Headers();
        for (nuint i = 0; NativeMethods.HeaderGetAll(native, i, out var name, out var value, out var length) == 0; i++)
        {
            headers.Add(Marshal.PtrToStringUTF8(name)!, value == null ? null : new ReadOnlySpan<byte>(value, (int)length).ToArray());
        }

        return headers;
    }

    /// <summary>A copy that stands for itself.</summary>
    public ConsumeResult<byte[], byte[]> ToResult(string topic)
    {
        var timestamp = NativeMethods.MessageTimestamp(_message, out var type);
        return new ConsumeResult<byte[], byte[]>
        {
            TopicPartitionOffset = new TopicPartitionOffset(topic, Partition, Offset),
            Message = new Message<byte[], byte[]>
            {
                Key = _message->Key == null ? null! : new ReadOnlySpan<byte>(_message->Key, (int)_message->KeyLength).ToArray(),
                Value = _message->Payload == null ? null! : Value.ToArray(),
                Headers = Headers() ?? [],
                Timestamp = new Timestamp(timestamp, (TimestampType)type),
            },
        };
    }
}
