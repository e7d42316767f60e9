using StreamRec.Models.Checkpoints;
using StreamRec.Models.Decoding;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>The words that a serving model may write: those of items that the catalogue has and that are available, as it changes.</summary>
/// <remarks>Item i of the trie has row i + 1. Threading: any thread.</remarks>
internal sealed class GenRecTrie
{
    private readonly Lock _following = new();
    private readonly bool[] _open;
    private ItemRows.View? _followed;

    public GenRecTrie(GenRecWords words)
    {
        Items = new TokenTrie(words.AllWritten, words.End);
        _open = new bool[words.Items + 1];
        Array.Fill(_open, true);
    }

    /// <summary>The words.</summary>
    public TokenTrie Items { get; }

    /// <summary>Withdraws and restores items until the trie is as a view says, or a newer one.</summary>
    public void Follow(ItemRows.View view)
    {
        if (ReferenceEquals(view, Volatile.Read(ref _followed)))
        {
            return;
        }

        lock (_following)
        {
            // Two threads may come with views of different ages; what one has withdrawn the other must not bring back.
            if (_followed is { } followed && (followed.Availability, followed.Count).CompareTo((view.Availability, view.Count)) >= 0)
            {
                return;
            }

            for (var row = 1; row < _open.Length; row++)
            {
                var open = view.Bias[row] == 0;
                if (open == _open[row])
                {
                    continue;
                }

                _open[row] = open;
                if (open)
                {
                    Items.Restore(row - 1);
                }
                else
                {
                    Items.Withdraw(row - 1);
                }
            }

            Volatile.Write(ref _followed, view);
        }
    }
}
