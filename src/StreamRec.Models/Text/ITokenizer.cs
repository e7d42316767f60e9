namespace StreamRec.Models.Text;

/// <summary>Text to token ids and back. Any thread may use a tokenizer, at the same time as others.</summary>
public interface ITokenizer
{
    /// <summary>Ids are in [0, VocabularySize): rows of the model's token embedding, added tokens included.</summary>
    int VocabularySize { get; }

    /// <summary>The ids that mean something to a model rather than spell text.</summary>
    SpecialIds Special { get; }

    /// <summary>Appends the ids of a text, without those that begin and end a sequence.</summary>
    void Encode(ReadOnlySpan<char> text, List<int> ids);

    /// <summary>The ids of a text as a model was trained on it: with those that begin and end a sequence, where the vocabulary has such.</summary>
    /// <param name="text">The text.</param>
    /// <param name="maxLength">Ids at the most; of a longer text the end is left out, never what begins and ends the sequence.</param>
    /// <exception cref="ArgumentOutOfRangeException">maxLength leaves no room for them.</exception>
    int[] EncodeSequence(ReadOnlySpan<char> text, int maxLength = int.MaxValue);

    /// <summary>The ids of two texts in one sequence.</summary>
    int[] EncodePair(ReadOnlySpan<char> first, ReadOnlySpan<char> second);

    /// <summary>The text of ids; bytes that are no UTF-8, as where a character was cut in two, become U+FFFD.</summary>
    /// <param name="ids">Each in [0, <see cref="VocabularySize"/>).</param>
    /// <param name="skipSpecial">Leaves <see cref="Special"/> ids out.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is not of this vocabulary.</exception>
    string Decode(ReadOnlySpan<int> ids, bool skipSpecial = false);
}
