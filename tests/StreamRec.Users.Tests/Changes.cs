namespace StreamRec.Users.Tests;

/// <summary>Lets a test wait until something that the fakes have seen is the case, without sleeping.</summary>
internal sealed class Changes
{
    private readonly Lock _gate = new();
    private readonly List<(Func<bool> Condition, TaskCompletionSource Met)> _waiters = [];

    /// <summary>Called by a fake after each change, outside its own lock.</summary>
    public void Notify()
    {
        lock (_gate)
        {
            foreach (var waiter in _waiters.Where(waiter => waiter.Condition()))
            {
                waiter.Met.TrySetResult();
            }

            _waiters.RemoveAll(waiter => waiter.Met.Task.IsCompleted);
        }
    }

    public Task WaitAsync(Func<bool> condition)
    {
        lock (_gate)
        {
            if (condition())
            {
                return Task.CompletedTask;
            }

            var met = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiters.Add((condition, met));

            // Only a broken test gets here: the limit turns a hang into a failure.
            return met.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        }
    }
}
