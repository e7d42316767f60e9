namespace StreamRec.Models.Text;

/// <summary>Token ids of words, from a cache where it has them. Threading: one thread; a tokenizer keeps one for each encoding under way.</summary>
internal abstract class WordEncoder
{
    private readonly WordCache _words = new();

    /// <summary>The ids of a word, valid until the next call.</summary>
    /// <param name="word">Not empty.</param>
    public ReadOnlySpan<int> IdsOf(ReadOnlySpan<char> word)
    {
        if (word.Length > WordCache.MaxLength)
        {
            return Merge(word);
        }

        var ids = _words.Find(word);
        if (ids.IsEmpty)
        {
            ids = Merge(word);
            if (ids.Length is > 0 and <= WordCache.MaxTokens)
            {
                _words.Add(word, ids);
            }
        }

        return ids;
    }

    /// <summary>The ids of a word that the cache has not.</summary>
    protected abstract ReadOnlySpan<int> Merge(ReadOnlySpan<char> word);
}
