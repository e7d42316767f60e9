namespace StreamRec.Actors;

/// <summary>The answer to one ask. The actor may send it while it handles the message or later, from any thread.</summary>
/// <remarks>The first outcome counts; later ones are ignored, so the kernel can fail what a crashed actor left open.</remarks>
/// <typeparam name="TReply">What is answered.</typeparam>
public sealed class Reply<TReply> : IReply
{
    // Continuations must not run inside the actor's turn.
    private readonly TaskCompletionSource<TReply> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal Task<TReply> Task => _source.Task;

    /// <summary>Answers; false when an outcome is already there.</summary>
    public bool Send(TReply value) => _source.TrySetResult(value);

    /// <summary>Answers with a failure; false when an outcome is already there.</summary>
    public bool Fail(Exception exception) => _source.TrySetException(exception);
}

/// <summary>What the kernel needs of a reply.</summary>
internal interface IReply
{
    bool Fail(Exception exception);
}
