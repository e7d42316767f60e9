namespace StreamRec.Actors;

/// <summary>What follows a failure: the hooks of the failed instance, the directive, the pause.</summary>
internal sealed partial class ActorCell<TMessage>
{
    private Directive Resolve(Exception? failure, out TimeSpan backoff)
    {
        backoff = TimeSpan.Zero;
        var directive = failure is null ? Directive.Stop : _supervision.Decide(failure);
        return directive == Directive.Restart && !_restarts.TryTake(out backoff) ? Directive.Escalate : directive;
    }

    /// <summary>Calls the last hook of an instance; returns what the actor failed with, if it did.</summary>
    private static async Task<Exception?> EndInstanceAsync(Actor<TMessage>? actor, Exception? failure, Directive directive)
    {
        try
        {
            await (directive == Directive.Restart
                ? actor?.PreRestartAsync(failure!, CancellationToken.None) ?? ValueTask.CompletedTask
                : actor?.PostStopAsync(CancellationToken.None) ?? ValueTask.CompletedTask);
            return failure;
        }
        catch (Exception exception)
        {
            // The first failure is the cause; one in a hook usually follows from it.
            return failure ?? exception;
        }
    }

    /// <summary>False when the actor was stopped meanwhile and there is nothing left to drain, or nothing is to be drained.</summary>
    private async Task<bool> PauseAsync(TimeSpan backoff)
    {
        if (_stopRequested && Mailbox.Count == 0)
        {
            return false;
        }

        try
        {
            await Task.Delay(backoff, _system.Time, _discard.Token);
            return true;
        }
        catch (OperationCanceledException) when (_discard.IsCancellationRequested)
        {
            return false;
        }
    }

    private void FailReplies(Exception? failure)
    {
        if (_messages.Count > 0)
        {
            _system.CountDeadLetters(failure is null ? _messages.Count : 0);
        }

        foreach (var reply in _replies)
        {
            reply?.Fail(failure ?? new ActorStoppedException(Name));
        }

        _messages.Clear();
        _replies.Clear();
    }

    private void FailWhatWaits()
    {
        while (Mailbox.TryTake(out var envelope))
        {
            _system.CountDeadLetters(1);
            envelope.Reply?.Fail(new ActorStoppedException(Name, Failure));
        }
    }
}
