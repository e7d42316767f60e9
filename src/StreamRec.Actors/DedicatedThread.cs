using System.Collections.Concurrent;

namespace StreamRec.Actors;

/// <summary>Runs an asynchronous loop on one thread of its own: what follows an <c>await</c> comes back to that thread.</summary>
/// <remarks>
/// The queue is not bounded, but only continuations of the one loop enter it: never more than a handful.
/// The thread is a background thread: a native call that never returns must not keep the process alive.
/// </remarks>
internal sealed class DedicatedThread : TaskScheduler
{
    private readonly BlockingCollection<Task> _queue = [];

    public override int MaximumConcurrencyLevel => 1;

    /// <summary>Starts the loop on a new thread, which ends with it.</summary>
    public static Task Run(string name, Func<Task> loop)
    {
        var scheduler = new DedicatedThread();
        var running = Task.Factory
            .StartNew(loop, CancellationToken.None, TaskCreationOptions.None, scheduler)
            .Unwrap();
        _ = running.ContinueWith(
            static (_, state) => ((DedicatedThread)state!)._queue.CompleteAdding(),
            scheduler,
            CancellationToken.None,
            TaskContinuationOptions.None,
            Default);
        new Thread(scheduler.Work) { Name = name, IsBackground = true }.Start();
        return running;
    }

    protected override void QueueTask(Task task) => _queue.Add(task);

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks() => _queue.ToArray();

    private void Work()
    {
        foreach (var task in _queue.GetConsumingEnumerable())
        {
            TryExecuteTask(task);
        }

        _queue.Dispose();
    }
}
