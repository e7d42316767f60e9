namespace StreamRec.Harness;

/// <summary>Bounded waits for a condition. The bounds only end a test that has failed: they are far above what is measured.</summary>
public static class Eventually
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);

    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(25);

    /// <summary>Waits until the condition holds; fails with what it was and what <paramref name="found"/> says at the deadline.</summary>
    public static async Task TrueAsync(Func<Task<bool>> condition, string what, Func<string>? found = null)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(started) > Deadline)
            {
                throw new TimeoutException($"Not within {Deadline.TotalSeconds} s: {what}. {found?.Invoke()}");
            }

            await Task.Delay(Period);
        }
    }

    public static Task TrueAsync(Func<bool> condition, string what, Func<string>? found = null) =>
        TrueAsync(() => Task.FromResult(condition()), what, found);
}
