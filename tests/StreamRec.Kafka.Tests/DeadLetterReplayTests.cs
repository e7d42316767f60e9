using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Kafka.Publish;

namespace StreamRec.Kafka.Tests;

public sealed class DeadLetterReplayTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_replayed_letter_is_the_record_that_it_was_byte_for_byte()
    {
        await using var kafka = await TestKafka.StartAsync();
        var random = new Random(1);
        var (key, value, header) = (new byte[300], new byte[70_000], new byte[50]);
        random.NextBytes(key);
        random.NextBytes(value);
        random.NextBytes(header);
        // The producer's own headers may look like ours or like Connect's: they are its own all the same.
        Headers own =
        [
            new Header("own", header), new Header("own", []), new Header("none", null), new Header("__connect.errors.topic", "elsewhere"u8.ToArray()),
            new Header("streamrec.error.code", "forged"u8.ToArray()), new Header("streamrec.error.topic", "forged"u8.ToArray()),
        ];
        await WriteAsync(kafka, DeadLettersTests.Letter(value, key, own, 1_700_000_000_123));
        var letter = Assert.Single(Letters(kafka));
        Assert.Equal(("oversized", "Too large.", "streamrec.interactions", 3, 42, 1), (letter.Code, letter.Message, letter.Topic, letter.Partition, letter.Offset, letter.Attempts));

        await ReplayAsync(kafka, letter);
        var record = Assert.Single(Raw.Read(kafka.Servers, kafka.Options.Topics.Interactions, 1));
        Assert.Equal((3, 1_700_000_000_123), (record.Partition.Value, record.Message.Timestamp.UnixTimestampMs));
        Assert.Equal(key, record.Message.Key);
        Assert.Equal(value, record.Message.Value);
        Assert.Equal(own.Select(h => (h.Key, Hex(h.GetValueBytes()))), record.Message.Headers.SkipLast(1).Select(h => (h.Key, Hex(h.GetValueBytes()))));
        Assert.Equal("1", Encoding.UTF8.GetString(record.Message.Headers.GetLastBytes("streamrec.error.attempts")));

        static string? Hex(byte[]? bytes) => bytes is null ? null : Convert.ToHexString(bytes);
    }

    [Fact]
    public async Task Absent_and_empty_bytes_come_back_as_they_were()
    {
        await using var kafka = await TestKafka.StartAsync();
        await WriteAsync(kafka, DeadLettersTests.Letter(value: null, key: null), DeadLettersTests.Letter(value: [], key: []));
        await ReplayAsync(kafka, [.. Letters(kafka)]);
        var records = Raw.Read(kafka.Servers, kafka.Options.Topics.Interactions, 2);
        Assert.Contains(records, r => r.Message is { Key: null, Value: null });
        Assert.Contains(records, r => r.Message is { Key.Length: 0, Value.Length: 0 });
    }

    [Fact]
    public async Task What_fails_again_counts_its_attempts_and_is_left_out_after_three()
    {
        await using var kafka = await TestKafka.StartAsync();
        await WriteAsync(kafka, DeadLettersTests.Letter([1, 2], [9], new Headers { { "own", [7] } }));
        using var checks = Replay(kafka);
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            var letter = Letters(kafka).MaxBy(l => l.Attempts)!;
            Assert.Equal(attempt, letter.Attempts);
            Assert.Equal(["own"], letter.OwnHeaders.Select(h => h.Name));
            Assert.Equal(attempt < 3 ? ReplayRefusal.None : ReplayRefusal.TooManyAttempts, checks.Check(letter, all: false));
            Assert.Equal(ReplayRefusal.None, checks.Check(letter, all: true));
            await ReplayAsync(kafka, letter);
            var record = Raw.Read(kafka.Servers, kafka.Options.Topics.Interactions, attempt).MaxBy(r => r.Offset.Value)!;
            await WriteAsync(kafka, new DeadLetter(record, "oversized", "Too large."));
        }

        Assert.Equal([1, 2, 3, 4], Letters(kafka).Select(l => l.Attempts).Order());
    }

    [Fact]
    public async Task Letters_of_one_key_go_back_in_their_order_and_everything_is_acknowledged()
    {
        await using var kafka = await TestKafka.StartAsync();
        await WriteAsync(kafka, [.. Enumerable.Range(0, 500).Select(i => DeadLettersTests.Letter(BitConverter.GetBytes(i), [(byte)(i % 7)]))]);
        await ReplayAsync(kafka, [.. Letters(kafka)]);
        var records = Raw.Read(kafka.Servers, kafka.Options.Topics.Interactions, 500);
        Assert.All(records, r => Assert.Equal(3, r.Partition.Value));
        foreach (var key in records.GroupBy(r => r.Message.Key[0]))
        {
            Assert.Equal(Enumerable.Range(0, 500).Where(i => i % 7 == key.Key), key.OrderBy(r => r.Offset.Value).Select(r => BitConverter.ToInt32(r.Message.Value)));
        }
    }

    [Fact]
    public async Task What_has_no_bytes_or_comes_from_somewhere_else_is_not_sent()
    {
        await using var kafka = await TestKafka.StartAsync();
        kafka.Broker.PushRequestErrors(0, ErrorCode.MsgSizeTooLarge);
        await WriteAsync(kafka, DeadLettersTests.Letter([1, 2, 3]));
        Raw.Produce(kafka.Servers, kafka.Options.Topics.DeadLetters, 1, "no letter of ours"u8.ToArray());
        var elsewhere = DeadLettersTests.Letter([1]);
        elsewhere.Record.Topic = kafka.Options.Topics.Recommendations;
        var gone = DeadLettersTests.Letter([2]);
        gone.Record.Partition = 4;
        await WriteAsync(kafka, elsewhere, gone);

        var letters = Letters(kafka);
        Assert.Equal(4, letters.Count);
        using var checks = Replay(kafka);
        Assert.Equal(3, Assert.Single(letters, l => checks.Check(l, all: false) == ReplayRefusal.WithoutBytes).OmittedBytes);
        Assert.Equal(3, letters.Count(l => checks.Check(l, all: true) == ReplayRefusal.Foreign));
    }

    [Fact]
    public async Task Reading_ends_where_the_topic_ended_when_it_began_and_begins_where_it_is_told()
    {
        await using var kafka = await TestKafka.StartAsync();
        Raw.Produce(kafka.Servers, kafka.Options.Topics.DeadLetters, 1, [[0], [1], [2]]);
        Raw.Produce(kafka.Servers, kafka.Options.Topics.DeadLetters, 3, [[3], [4]]);
        using var reader = Reader(kafka);
        Raw.Produce(kafka.Servers, kafka.Options.Topics.DeadLetters, 1, [[5]]);

        Assert.Equal(5, reader.Count);
        Assert.Equal(["1:0", "1:1", "1:2", "3:0", "3:1"], Positions(null));
        Assert.Equal(["1:2", "3:0", "3:1"], Positions(new LetterPosition(1, 2)));
        Assert.Equal(["3:0", "3:1"], Positions(new LetterPosition(2, 7)));
        Assert.Empty(Positions(new LetterPosition(9, 0)));
        Assert.Equal([4], reader.Find(new LetterPosition(3, 1), Cancelled).Value);
        Assert.Equal(
            "There is no letter at 1:3; streamrec.dead-letters has none in 0, 1:0 to 1:2, none in 2, 3:0 to 3:1.",
            Assert.Throws<ArgumentException>(() => reader.Find(new LetterPosition(1, 3), Cancelled)).Message);

        IEnumerable<string> Positions(LetterPosition? from) => reader.Read(from, Cancelled).Select(l => l.Position.ToString());
    }

    [Fact]
    public async Task A_letter_larger_than_what_the_embedded_broker_keeps_room_for_is_sent_alone_and_does_not_wait_for_ever()
    {
        await using var kafka = await TestKafka.StartAsync();
        await WriteAsync(kafka, DeadLettersTests.Letter(new byte[3_000_000]));
        await ReplayAsync(kafka, [.. Letters(kafka)]).WaitAsync(TimeSpan.FromSeconds(20), Cancelled);
        Assert.Equal(3_000_000, Assert.Single(Raw.Read(kafka.Servers, kafka.Options.Topics.Interactions, 1)).Message.Value.Length);
    }

    [Theory]
    [InlineData("2:17", true)]
    [InlineData("2", false)]
    [InlineData("2:", false)]
    [InlineData("-1:3", false)]
    [InlineData("1:2:3", false)]
    [InlineData("1:9999999999999999999", false)]
    public void A_place_is_a_partition_and_an_offset(string text, bool isPlace)
    {
        if (isPlace)
        {
            Assert.Equal(text, LetterPosition.Parse(text).ToString());
        }
        else
        {
            Assert.Contains($"'{text}' is no place", Assert.Throws<ArgumentException>(() => LetterPosition.Parse(text)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_a_letter_says_of_itself_is_not_believed_when_it_cannot_be()
    {
        var letter = new StoredLetter(default, null, null, [
            new("streamrec.error.code", [0xFF]), new("streamrec.error.partition", "-1"u8.ToArray()), new("streamrec.error.offset", "99999999999999999999"u8.ToArray()),
            new("streamrec.error.at", "soon"u8.ToArray()), new("streamrec.error.attempts", null), new("streamrec.error.topic", null)], 0);
        Assert.Equal(("\ufffd", null, null, null, null, 1), (letter.Code, letter.Topic, letter.Partition, letter.Offset, letter.At, letter.Attempts));
    }

    private static async Task WriteAsync(TestKafka kafka, params IEnumerable<DeadLetter> letters)
    {
        using var deadLetters = kafka.DeadLetters();
        await Task.WhenAll(letters.Select(deadLetters.WriteAsync).ToList());
    }

    private static DeadLetterReader Reader(TestKafka kafka) => new(kafka.Cluster, kafka.Options, NullLogger<DeadLetterReader>.Instance);

    private static List<StoredLetter> Letters(TestKafka kafka)
    {
        using var reader = Reader(kafka);
        return [.. reader.Read(null, Cancelled)];
    }

    private static async Task ReplayAsync(TestKafka kafka, params IEnumerable<StoredLetter> letters)
    {
        using var replay = Replay(kafka);
        var sent = 0;
        foreach (var letter in letters)
        {
            await replay.SendAsync(letter, Cancelled);
            sent++;
        }

        await replay.FlushAsync(Cancelled);
        Assert.Equal(sent, replay.Acknowledged);
    }

    private static DeadLetterReplay Replay(TestKafka kafka) => new(kafka.Cluster, kafka.Options, NullLogger<DeadLetterReplay>.Instance);
}
