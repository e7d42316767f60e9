namespace StreamRec.Kafka.Ingest;

/// <summary>The dedicated thread of a consumer: polling is a blocking native call.</summary>
internal sealed class ConsumerThread : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;

    /// <param name="name">The thread's name.</param>
    /// <param name="run">The loop; returns once its token is cancelled, and handles its own failures.</param>
    public ConsumerThread(string name, Action<CancellationToken> run)
    {
        _thread = new Thread(() =>
        {
            try
            {
                run(_stopping.Token);
            }
            finally
            {
                _ended.SetResult();
            }
        })
        { Name = name, IsBackground = true };
    }

    public void Start() => _thread.Start();

    /// <summary>Asks the loop to end and waits until it has.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        if (_thread.ThreadState.HasFlag(ThreadState.Unstarted))
        {
            return;
        }

        await _ended.Task.WaitAsync(cancellationToken);
    }

    public void Dispose() => _stopping.Dispose();
}
