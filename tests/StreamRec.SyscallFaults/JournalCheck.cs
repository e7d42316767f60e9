using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal;
using StreamRec.Journal.Sqlite;

namespace StreamRec.SyscallFaults;

/// <summary>Compares a journal with what its writer has said before a fault ended it.</summary>
internal sealed class JournalCheck(string path, IReadOnlyList<string> lines)
{
    private const int Killed = 137;

    private readonly List<string> _violations = [];

    public IReadOnlyList<string> Violations => _violations;

    public async Task CheckAsync(SyscallFault fault, int exitCode)
    {
        CheckEnd(fault, exitCode);
        CheckSound();
        await CheckContentAsync(finished: exitCode == JournalWriting.Finished);

        var again = new StringWriter();
        Check(await new JournalWriting(path, again).RunAsync() == JournalWriting.Finished, $"a restart ends with {again.ToString().Trim()}");
        await CheckContentAsync(finished: true);
    }

    /// <summary>Killed, or an error that names the file and the cause, with everything refused after it.</summary>
    private void CheckEnd(SyscallFault fault, int exitCode)
    {
        if (exitCode == JournalWriting.Finished)
        {
            Check(!lines.Any(IsFailure), "the writer went on after a failure");
            return;
        }

        Check(exitCode == (fault.Error is null ? Killed : JournalWriting.Failed), $"the writer ended with {exitCode}");
        if (fault.Error is not null)
        {
            var failure = lines.Count > 0 ? lines[^1] : "nothing";
            var cause = fault.Error == "ENOSPC" && fault.Call == "pwrite64" ? "disk is full" : "disk I/O error";
            Check(
                failure.StartsWith($"failed {nameof(JournalFailedException)}", StringComparison.Ordinal)
                    && failure.Contains(path, StringComparison.Ordinal) && failure.Contains(cause, StringComparison.Ordinal),
                $"the error does not name the file and '{cause}': {failure}");
        }
    }

    /// <summary>SQLite's own check, before the journal opens the file.</summary>
    private void CheckSound()
    {
        if (!File.Exists(path))
        {
            return;
        }

        using var database = SqliteDatabase.OpenReader(path);
        var check = database.Prepare("PRAGMA integrity_check");
        Check(check.Step() && check.Text(0) == "ok", $"the file is damaged: {check.Text(0)}");
    }

    private async Task CheckContentAsync(bool finished)
    {
        await using var journal = await SegmentJournal.OpenAsync(
            new JournalOptions { Path = path }, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, CancellationToken.None);
        var position = 0L;
        var rounds = new int[JournalWriting.Partitions];
        await foreach (var stored in journal.ReadAsync(0, null, CancellationToken.None))
        {
            Check(stored.Position == ++position, $"position {stored.Position} stands where {position} should");
            var partition = stored.Source.Partition;
            CheckSegment(journal.Catalogue, partition, rounds[partition]++, stored.Segment, finished);
        }

        for (var partition = 0; partition < rounds.Length; partition++)
        {
            var acknowledged = lines.Count(line => line.StartsWith($"appended {partition} ", StringComparison.Ordinal));
            // One append of each partition was under way.
            var (least, most) = finished ? (JournalWriting.Rounds, JournalWriting.Rounds) : (acknowledged, acknowledged + 1);
            Check(
                rounds[partition] >= least && rounds[partition] <= most,
                $"partition {partition} has {rounds[partition]} segments, {acknowledged} were acknowledged");
        }

        var saved = lines.Where(line => line.StartsWith("saved ", StringComparison.Ordinal)).Select(line => int.Parse(line[6..])).DefaultIfEmpty(0).Max();
        var state = (await journal.LoadUsersAsync([JournalWriting.SavedUser], CancellationToken.None))[0];
        Check((state?.Count ?? 0) >= saved, $"the saved state has {state?.Count} interactions, one of {saved} was acknowledged");
        Check(
            state is null || state.Entries.ToArray().Select(entry => entry.Item).SequenceEqual(Enumerable.Range(0, (int)state.Count)),
            "the saved state is none that was saved");
    }

    /// <summary>Whole, and as it was appended; a removed user may be missing, and must once that is acknowledged.</summary>
    private void CheckSegment(Catalogue catalogue, int partition, int round, Segment found, bool finished)
    {
        var expected = JournalWriting.Segment(partition, round);
        var removed = partition == 0 ? JournalWriting.Removed(round) : null;
        var entries = Entries(found, item => catalogue[item].Id);
        var appended = Entries(expected, JournalWriting.ItemId);
        var isWhole = entries.SequenceEqual(appended);
        var mustBeRemoved = removed is not null && (finished || lines.Contains($"removed {removed}"));
        var isWithout = removed is not null && entries.SequenceEqual(appended.Where(entry => entry.User != removed));
        Check(
            (found.FirstOffset, found.NextOffset) == (expected.FirstOffset, expected.NextOffset) && (isWithout || (isWhole && !mustBeRemoved)),
            $"segment {round} of partition {partition} is not what was appended, or names a removed user");
    }

    private static List<(string User, string Item, SegmentEntry Entry)> Entries(Segment segment, Func<int, string> itemId) =>
        [.. segment.Entries.Select(entry => (segment.Users[entry.User], itemId(entry.Item), entry with { User = 0 }))];

    private static bool IsFailure(string line) => line.StartsWith("failed ", StringComparison.Ordinal);

    private void Check(bool holds, string violation)
    {
        if (!holds)
        {
            _violations.Add(violation);
        }
    }
}
