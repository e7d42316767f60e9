using System.Threading.Channels;

namespace StreamRec.Actors;

/// <summary>The bounded queue before an actor. Many writers, one reader: the actor's cell.</summary>
/// <remarks>A full mailbox refuses or delays the sender and never drops. Once closed nothing enters, what is inside can still be taken.</remarks>
internal sealed class Mailbox<TMessage>
{
    private readonly string _actor;
    private readonly Channel<Envelope<TMessage>> _channel;

    public Mailbox(string actor, int capacity)
    {
        _actor = actor;
        _channel = Channel.CreateBounded<Envelope<TMessage>>(new BoundedChannelOptions(capacity)
        {
            FullMode = BoundedChannelFullMode.Wait,
            SingleReader = true,
            SingleWriter = false,
            AllowSynchronousContinuations = false,
        });
    }

    public int Count => _channel.Reader.Count;

    public bool TryPut(Envelope<TMessage> envelope) => _channel.Writer.TryWrite(envelope);

    public ValueTask PutAsync(Envelope<TMessage> envelope, CancellationToken cancellationToken) =>
        _channel.Writer.TryWrite(envelope) ? ValueTask.CompletedTask : PutSlowlyAsync(envelope, cancellationToken);

    public ValueTask<bool> WaitAsync() => _channel.Reader.WaitToReadAsync(CancellationToken.None);

    public bool TryTake(out Envelope<TMessage> envelope) => _channel.Reader.TryRead(out envelope);

    /// <summary>Lets nothing more in. Senders that wait for room get <see cref="ActorStoppedException"/>.</summary>
    public void Close(Exception? reason) => _channel.Writer.TryComplete(reason is null ? null : new ActorStoppedException(_actor, reason));

    private async ValueTask PutSlowlyAsync(Envelope<TMessage> envelope, CancellationToken cancellationToken)
    {
        try
        {
            await _channel.Writer.WriteAsync(envelope, cancellationToken);
        }
        catch (ChannelClosedException closed)
        {
            throw new ActorStoppedException(_actor, (closed.InnerException as ActorStoppedException)?.InnerException);
        }
    }
}

/// <summary>A message and, when somebody asked, the reply that must not stay open if handling it fails.</summary>
internal readonly record struct Envelope<TMessage>(TMessage Message, IReply? Reply);
