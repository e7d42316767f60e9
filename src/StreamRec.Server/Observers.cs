using StreamRec.Domain;

namespace StreamRec.Server;

/// <summary>Passes each durable interaction on to all who want to see it, in a fixed order.</summary>
internal sealed class Observers(params IInteractionObserver[] observers) : IInteractionObserver
{
    public void Observed(ReadOnlySpan<byte> userId, SequenceEntry entry, ReadOnlySpan<SequenceEntry> historyBefore)
    {
        foreach (var observer in observers)
        {
            observer.Observed(userId, entry, historyBefore);
        }
    }
}
