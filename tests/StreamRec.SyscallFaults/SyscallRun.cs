namespace StreamRec.SyscallFaults;

/// <summary>What happens at a system call.</summary>
/// <param name="Call">pwrite64, fdatasync or ftruncate.</param>
/// <param name="Error">ENOSPC or EIO; null: the process is killed (SIGKILL) before the call.</param>
public sealed record SyscallFault(string Call, string? Error)
{
    /// <summary>All that are tried.</summary>
    public static readonly IReadOnlyList<SyscallFault> All =
    [
        new("pwrite64", null), new("fdatasync", null), new("ftruncate", null),
        new("pwrite64", "ENOSPC"), new("pwrite64", "EIO"), new("fdatasync", "EIO"), new("fdatasync", "ENOSPC"),
    ];

    public override string ToString() => $"{Error ?? "SIGKILL"} at {Call}";
}

/// <summary>What came of a run.</summary>
/// <param name="Reached">Faults that happened, by kind.</param>
/// <param name="NotReached">Children that ended before their call came.</param>
/// <param name="Violations">What was wrong; none is what counts.</param>
public sealed record SyscallReport(IReadOnlyDictionary<SyscallFault, int> Reached, int NotReached, IReadOnlyList<string> Violations);

/// <summary>
/// Lets a journal writer meet faults at its n-th system call, looks what is in the file afterwards, and lets it finish.
/// </summary>
public static class SyscallRun
{
    private const int CallsOfOpening = 30;

    private static readonly string[] Calls = [.. SyscallFault.All.Select(fault => fault.Call).Distinct()];

    /// <summary>Why it cannot run here; null when it can.</summary>
    public static string? Missing() => Strace.Missing();

    /// <param name="points">How many faults of each kind, spread over all calls that there are.</param>
    /// <param name="seed">Of the places.</param>
    /// <param name="directory">Empty.</param>
    /// <param name="progress">Told a line for each fault.</param>
    public static async Task<SyscallReport> RunAsync(Func<SyscallFault, int> points, int seed, string directory, Action<string> progress)
    {
        var random = new Random(seed);
        var calls = await CountAsync(directory);
        var plan = SyscallFault.All.SelectMany(fault => Spread(points(fault), calls[fault.Call], random).Select(n => (Fault: fault, At: n))).ToList();
        var reached = new Dictionary<SyscallFault, int>();
        var violations = new List<string>();
        await Parallel.ForEachAsync(plan.Index(), new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, async (point, _) =>
        {
            var (fault, at) = point.Item;
            var journal = Path.Combine(directory, $"{point.Index}", "journal.db");
            var (exitCode, lines) = await Strace.RunAsync(journal, Inject(fault, at));
            var happened = exitCode != JournalWriting.Finished;
            var found = new JournalCheck(journal, lines);
            await found.CheckAsync(fault, exitCode);
            lock (violations)
            {
                violations.AddRange(found.Violations.Select(violation => $"{fault} {at} of {calls[fault.Call]}: {violation}"));
                reached[fault] = reached.GetValueOrDefault(fault) + (happened ? 1 : 0);
                progress($"{fault} {at} of {calls[fault.Call]}: {(happened ? lines.LastOrDefault() ?? "nothing acknowledged" : "not reached")}");
            }

            Directory.Delete(Path.GetDirectoryName(journal)!, recursive: true);
        });
        return new SyscallReport(reached, plan.Count - reached.Values.Sum(), violations);
    }

    /// <summary>How often a child that is left alone makes each call, in the thread that makes most of them: strace counts each thread by itself.</summary>
    private static async Task<Dictionary<string, int>> CountAsync(string directory)
    {
        var log = Path.Combine(directory, "calls");
        var (exitCode, lines) = await Strace.RunAsync(
            Path.Combine(directory, "counted", "journal.db"), "--seccomp-bpf", "-o", log, "-e", $"trace={string.Join(',', Calls)}");
        return exitCode == JournalWriting.Finished
            ? Calls.ToDictionary(call => call, call => File.ReadLines(log)
                .Where(line => line.Contains($" {call}(", StringComparison.Ordinal))
                .GroupBy(line => line.Split(' ', 2)[0])
                .Max(thread => thread.Count()))
            : throw new InvalidOperationException($"The writer ended with {exitCode}: {string.Join('\n', lines)}");
    }

    /// <summary>One number in each of <paramref name="count"/> equal parts of [1, max], but the first where the file is opened.</summary>
    private static IEnumerable<int> Spread(int count, int max, Random random) =>
        Enumerable.Range(0, count).Select(part => part == 0 && count > 1
            ? random.Next(1, Math.Min(max, CallsOfOpening) + 1)
            : Math.Min(max, 1 + (int)((part + random.NextDouble()) * max / count)));

    // A signal is not injected where a filter in the kernel chooses the calls (strace 6.1), so those runs trace every call.
    private static string[] Inject(SyscallFault fault, int at) => fault.Error is { } error
        ? ["--seccomp-bpf", "-o", "/dev/null", "-e", $"trace={fault.Call}", "-e", $"inject={fault.Call}:error={error}:when={at}"]
        : ["-o", "/dev/null", "-e", $"trace={fault.Call}", "-e", $"inject={fault.Call}:signal=SIGKILL:when={at}"];
}
