namespace StreamRec.Models.Decoding;

/// <summary>How <see cref="BeamSearch"/> looks for texts.</summary>
internal sealed record BeamOptions
{
    /// <summary>Beginnings that are followed at once, 1 to 1,024; 1 is greedy decoding.</summary>
    public int Beams { get; init; } = 1;

    /// <summary>Texts for each input, 1 to <see cref="Beams"/>.</summary>
    public int Returned { get; init; } = 1;

    /// <summary>Most tokens of a text, its end included, 1 to 65,536.</summary>
    public int MaxTokens { get; init; } = 32;

    /// <summary>The token that ends a text; null = texts have <see cref="MaxTokens"/> tokens. With a trie the trie's.</summary>
    public int? End { get; init; }

    /// <summary>
    /// A text's score is the sum of its log-probabilities divided by its length to this power, in [-10, 10]: 0 = the sum itself, 1 = the
    /// mean, more favours longer texts.
    /// </summary>
    public double LengthPenalty { get; init; } = 1;

    /// <summary>Whether an input is done once it has as many ended texts as beams, although a better one may still come.</summary>
    public bool EarlyStopping { get; init; }

    /// <summary>The token that every text begins with, whatever its probability: it costs nothing. Null = any.</summary>
    public int? ForcedFirst { get; init; }

    /// <summary>The token that a text of <see cref="MaxTokens"/> ends with, likewise. Null = any.</summary>
    public int? ForcedLast { get; init; }

    /// <summary>No sequence of this many tokens comes twice in prompt and text together, 0 to 65,536; 0 = any may.</summary>
    public int NoRepeatNgram { get; init; }

    /// <summary>
    /// Whether what a trie or <see cref="NoRepeatNgram"/> leaves over is made to sum to 1 again. Without it a beginning is not rewarded for
    /// having few continuations.
    /// </summary>
    public bool Renormalize { get; init; }

    /// <exception cref="ArgumentException">A value is out of range, or two exclude each other; the message names it.</exception>
    public void Check(int vocabulary, TokenTrie? trie)
    {
        Range(nameof(Beams), Beams, 1, 1024);
        Range(nameof(Returned), Returned, 1, Beams);
        Range(nameof(MaxTokens), MaxTokens, 1, 1 << 16);
        Range(nameof(LengthPenalty), LengthPenalty, -10, 10);
        Range(nameof(NoRepeatNgram), NoRepeatNgram, 0, 1 << 16);
        Range(nameof(End), End ?? 0, 0, vocabulary - 1);
        Range(nameof(ForcedFirst), ForcedFirst ?? 0, 0, vocabulary - 1);
        Range(nameof(ForcedLast), ForcedLast ?? 0, 0, vocabulary - 1);
        if (trie is null)
        {
            return;
        }

        if (End is not null && End != trie.End)
        {
            throw new ArgumentException($"End is {End}, but the trie's strings end with {trie.End}; leave it null.");
        }

        if (trie.MaxToken >= vocabulary)
        {
            throw new ArgumentException($"The trie has the token {trie.MaxToken}; the model knows those in [0, {vocabulary - 1}].");
        }

        // Any of these could make an item impossible to write, or end one in its middle.
        if (ForcedFirst is not null || ForcedLast is not null || NoRepeatNgram > 0)
        {
            throw new ArgumentException(
                "ForcedFirst, ForcedLast and NoRepeatNgram cannot be had with a trie; put tokens that every text has into the trie's strings.");
        }
    }

    private static void Range(string name, double value, double low, double high)
    {
        if (!(value >= low && value <= high))
        {
            throw new ArgumentException($"{name} is {value}; it must be in [{low}, {high}].");
        }
    }
}
