using System.Globalization;
using System.Text;
using Confluent.Kafka;

namespace StreamRec.Kafka.Publish;

/// <summary>The headers that make a record a dead letter: ours, and under Kafka Connect's names what its tools read.</summary>
/// <remarks>
/// They follow the record's own headers and begin with the last <see cref="Code"/>: whatever stands before it is the producer's, even under such a
/// name. Only <see cref="Attempts"/> is also on a record that was replayed, and is taken off when the record is dead-lettered again.
/// </remarks>
internal static class ErrorHeaders
{
    internal const string Code = "streamrec.error.code";
    internal const string Message = "streamrec.error.message";
    internal const string Topic = "streamrec.error.topic";
    internal const string Partition = "streamrec.error.partition";
    internal const string Offset = "streamrec.error.offset";
    internal const string At = "streamrec.error.at";
    internal const string Attempts = "streamrec.error.attempts";
    internal const string OmittedBytes = "streamrec.error.omitted-bytes";

    // Reading a value is what fails here; Connect calls that stage so.
    private const string ConnectStage = "VALUE_CONVERTER";

    /// <summary>Adds the reason and where the record was.</summary>
    internal static void Write(Headers headers, DeadLetter letter, DateTimeOffset at)
    {
        var record = letter.Record;
        Add(headers, Code, letter.Code);
        Add(headers, Message, letter.Message);
        Add(headers, Topic, record.Topic);
        Add(headers, Partition, Text(record.Partition.Value));
        Add(headers, Offset, Text(record.Offset.Value));
        Add(headers, At, at.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
        Add(headers, Attempts, Text(Math.Min(AttemptsOf(record.Message.Headers), int.MaxValue - 1) + 1));
        Add(headers, "__connect.errors.topic", record.Topic);
        Add(headers, "__connect.errors.partition", Text(record.Partition.Value));
        Add(headers, "__connect.errors.offset", Text(record.Offset.Value));
        Add(headers, "__connect.errors.stage", ConnectStage);
        Add(headers, "__connect.errors.exception.message", letter.Message);
    }

    internal static void Add(Headers headers, string name, string value) => headers.Add(name, Encoding.UTF8.GetBytes(value));

    internal static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>A number of a header, or null when it is none.</summary>
    internal static long? Number(byte[]? value) =>
        long.TryParse(Encoding.UTF8.GetString(value ?? []), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    // How often the record has failed before.
    private static int AttemptsOf(Headers? headers) =>
        headers is not null && headers.TryGetLastBytes(Attempts, out var value) ? (int)Math.Min(Number(value) ?? 0, int.MaxValue) : 0;
}
