namespace StreamRec.Actors.Tests;

/// <summary>What the probe actor is told.</summary>
internal abstract record ProbeMessage
{
    public sealed record Note(int Value) : ProbeMessage;

    public sealed record Hold(TaskCompletionSource Entered, Task Release) : ProbeMessage;

    public sealed record Crash(Exception Exception) : ProbeMessage;

    public sealed record CrashAsked(Exception Exception, Reply<int> Reply) : ProbeMessage;

    public sealed record Sum(Reply<int> Reply) : ProbeMessage;

    public sealed record Never(Reply<int> Reply) : ProbeMessage;

    public sealed record Thread(Reply<string?> Reply) : ProbeMessage;
}

/// <summary>Writes down what it is told, waits at gates, and crashes on request.</summary>
internal sealed class Probe(ProbeLog log) : Actor<ProbeMessage>
{
    private int _sum;
    private int _inside;

    protected override ValueTask PreStartAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref log.Started);
        return ValueTask.CompletedTask;
    }

    protected override async ValueTask ReceiveAsync(ProbeMessage message, CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _inside) != 1)
        {
            log.Overlapped = true;
        }

        switch (message)
        {
            case ProbeMessage.Note note:
                await Task.Yield();
                _sum += note.Value;
                log.Notes.Add(note.Value);
                break;
            case ProbeMessage.Hold hold:
                hold.Entered.SetResult();
                await hold.Release.WaitAsync(cancellationToken);
                break;
            case ProbeMessage.Crash crash:
                throw crash.Exception;
            case ProbeMessage.CrashAsked crash:
                throw crash.Exception;
            case ProbeMessage.Sum sum:
                sum.Reply.Send(_sum);
                break;
            case ProbeMessage.Thread thread:
                await Task.Yield();
                thread.Reply.Send(Thread.CurrentThread.Name);
                break;
        }

        Interlocked.Decrement(ref _inside);
    }

    protected override ValueTask PostStopAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref log.Stopped);
        log.StopOrder?.Add(log.Name);
        return ValueTask.CompletedTask;
    }
}

/// <summary>What the instances of one probe have left behind.</summary>
internal sealed class ProbeLog
{
    public string Name { get; init; } = "probe";

    public List<int> Notes { get; } = [];

    public List<string>? StopOrder { get; init; }

    public bool Overlapped { get; set; }

    public int Started;
    public int Stopped;
}
