using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Cli.Files;
using StreamRec.Domain;
using StreamRec.Journal;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Tests;

public sealed class InteractionWriterTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("rows.csv")]
    [InlineData("rows.csv.gz")]
    [InlineData("rows.jsonl")]
    [InlineData("rows.jsonl.gz")]
    public async Task What_is_written_is_read_back_in_its_order(string name)
    {
        string[] ids = ["anna", "a,b", "\"quoted\"", "say \"hi\"", "=1+1", " space ", "漢字 \U0001F600", "'", "\\", "a;b\u2028c", "{", "#"];
        var random = new Random(1);
        // Not in order of time: the journal's order is the order.
        var expected = Enumerable.Range(0, 300).Select(i => new Interaction(
            ids[random.Next(ids.Length)],
            ids[random.Next(ids.Length)],
            (InteractionType)random.Next(6),
            i == 7 ? 999_999_999_999_999 : i == 8 ? -999_999_999_999_999 : random.NextInt64(0, 2_000_000_000_000),
            random.Next(2) == 0 ? double.NaN : random.NextDouble() * 10,
            random.Next(2) == 0 ? null : ids[random.Next(ids.Length)])).ToList();
        var path = Path.Combine(_directory.Path, name);

        await WriteAsync(path, name.StartsWith("rows.csv", StringComparison.Ordinal) ? RowFormat.Csv : RowFormat.Jsonl, expected);

        Assert.Equal(expected, InteractionFile.Read(path));
        Assert.Equal([path], Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    [Fact]
    public async Task A_csv_row_is_quoted_as_RFC_4180_says()
    {
        var path = Path.Combine(_directory.Path, "rows.csv");

        await WriteAsync(path, RowFormat.Csv, [new Interaction("a,b", "say \"hi\"", InteractionType.Rating, 1_700_000_000_123, 4.5)]);

        Assert.Equal(
            "position,user_id,item_id,type,timestamp,value,event_id,topic,log,partition,offset\r\n"
            + "1,\"a,b\",\"say \"\"hi\"\"\",rating,2023-11-14T22:13:20.123Z,4.5,,clicks,\"\",3,0\r\n",
            await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task What_was_not_completed_leaves_no_file_and_the_old_one_as_it_was()
    {
        var path = Path.Combine(_directory.Path, "rows.csv");
        await File.WriteAllTextAsync(path, "old", TestContext.Current.CancellationToken);

        await using (var writer = new InteractionWriter(path, RowFormat.Csv))
        {
            await writer.WriteAsync((await RowsAsync([new Interaction("a", "b", InteractionType.Click, 0)])).Single());
        }

        Assert.Equal("old", await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
        Assert.Equal([path], Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    private static async Task WriteAsync(string path, RowFormat format, List<Interaction> interactions)
    {
        await using var writer = new InteractionWriter(path, format);
        foreach (var row in await RowsAsync(interactions))
        {
            await writer.WriteAsync(row);
        }

        Assert.False(File.Exists(path), "the file appears when it is complete");
        await writer.CompleteAsync();
        Assert.Equal(interactions.Count, writer.Rows);
    }

    // By way of a journal, as an export does it.
    private static async Task<List<InteractionRow>> RowsAsync(List<Interaction> interactions)
    {
        using var directory = new TemporaryDirectory();
        await using var journal = await SegmentJournal.OpenAsync(
            new JournalOptions { Path = Path.Combine(directory.Path, "journal.db") }, JournalAccess.Exclusive, TimeProvider.System,
            NullLogger.Instance, TestContext.Current.CancellationToken);
        var token = TestContext.Current.CancellationToken;
        await journal.AddItemsAsync([.. interactions.Select(interaction => interaction.ItemId)], token);
        var lease = await journal.AcquireAsync(new SourcePartition("clicks", "", 3), token);
        var entries = interactions.Select((interaction, i) =>
        {
            journal.Catalogue.TryGetNumber(interaction.ItemId, out var item);
            return new SegmentEntry(i, item, interaction.Type, i, interaction.TimestampMs, interaction.Value, interaction.EventId);
        }).ToList();
        await journal.AppendAsync(lease, new Segment(0, entries.Count, 0, [.. interactions.Select(interaction => interaction.UserId)], entries), token);
        var rows = new List<InteractionRow>();
        await foreach (var row in InteractionRow.ReadAsync(journal, 0, null, token))
        {
            rows.Add(row);
        }

        return rows;
    }
}
