namespace StreamRec.Models.Text;

/// <summary>What a byte-level vocabulary is used with and its files do not say.</summary>
public sealed record ByteLevelBpeSettings
{
    private const string EndOfText = "<|endoftext|>";

    /// <summary>GPT-2: one special token, and sequences are nothing but their text.</summary>
    public static ByteLevelBpeSettings Gpt2 { get; } = new() { Begin = EndOfText, End = EndOfText, Unknown = EndOfText };

    /// <summary>BART: a sequence is <c>&lt;s&gt; text &lt;/s&gt;</c>, a pair <c>&lt;s&gt; first &lt;/s&gt;&lt;/s&gt; second &lt;/s&gt;</c>.</summary>
    public static ByteLevelBpeSettings Bart { get; } = new()
    {
        Begin = "<s>",
        Padding = "<pad>",
        End = "</s>",
        Unknown = "<unk>",
        Mask = "<mask>",
        Wraps = true,
    };

    /// <summary>The token that begins a sequence.</summary>
    public string? Begin { get; init; }

    /// <summary>The token that ends a sequence.</summary>
    public string? End { get; init; }

    /// <summary>The token that fills up a batch.</summary>
    public string? Padding { get; init; }

    /// <summary>The token for what cannot be spelled; with bytes everything can, so text never becomes it unless it says so.</summary>
    public string? Unknown { get; init; }

    /// <summary>The token that a model fills in; it takes in the white space before it, because the tokens of words begin with theirs.</summary>
    public string? Mask { get; init; }

    /// <summary>Whether <see cref="Begin"/> and <see cref="End"/> are put around a sequence.</summary>
    public bool Wraps { get; init; }

    /// <summary>Whether text is spelled as if a space came before it, so that its first word has the token of a word in the middle.</summary>
    public PrefixSpace PrefixSpace { get; init; }

    /// <summary>
    /// Whether a special or added token that is spelled out in a text becomes its id. Off for text of strangers: a title with <c>&lt;/s&gt;</c> in
    /// it would end its sequence.
    /// </summary>
    public bool ReadsTokensInText { get; init; } = true;

    /// <summary>The special tokens, each once, in the order that BART's vocabulary has them in.</summary>
    internal IReadOnlyList<string> SpecialTokens =>
        [.. new[] { Begin, Padding, End, Unknown, Mask }.OfType<string>().Distinct(StringComparer.Ordinal)];
}

/// <summary>When a space is put before a text.</summary>
public enum PrefixSpace
{
    /// <summary>Never.</summary>
    None,

    /// <summary>Before every text, an empty one and one that begins with a space too: GPT-2's way.</summary>
    Always,

    /// <summary>Unless the text is empty or begins with white space: BART's way.</summary>
    WhereMissing,
}
