using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

/// <summary>Ids and texts of the reference tokenizers, exactly.</summary>
public sealed class LlamaTokenizerParityTests
{
    [Theory]
    [InlineData("llama.raw_spm", "llama")]
    [InlineData("spm-bpe-hf.raw_spm", "spm-bpe-hf")]
    public void Pieces_and_texts_are_those_of_SentencePiece(string name, string files)
    {
        var reference = ReferenceTexts.Read(name, files);
        var bpe = new SentencePieceBpe(SentencePieceModel.Read(Path.Combine(reference.Directory, "tokenizer.model")));
        foreach (var (text, given, expected) in reference.Cases)
        {
            var ids = new List<int>();
            bpe.Encode(given, ids, dummyPrefix: true);
            AssertSame(ReferenceTexts.Ids(expected, "ids"), ids, text);
            Assert.Equal(ReferenceTexts.Text(expected, "decoded"), bpe.Decode([.. ids], dummyPrefix: true));
        }
    }

    [Theory]
    [InlineData("llama", false)]
    [InlineData("llama.legacy", true)]
    public void Every_text_has_the_ids_of_the_reference_and_every_sequence_its_text(string name, bool legacy)
    {
        var (tokenizer, reference) = Open(name, legacy);
        foreach (var (text, given, expected) in reference.Cases)
        {
            var ids = new List<int>();
            tokenizer.Encode(given, ids);
            AssertSame(ReferenceTexts.Ids(expected, "ids"), ids, text);
            var sequence = ReferenceTexts.Ids(expected, "ids_special");
            AssertSame(sequence, tokenizer.EncodeSequence(given), text);
            Assert.Equal(ReferenceTexts.Text(expected, "decoded"), tokenizer.Decode(sequence));
            Assert.Equal(ReferenceTexts.Text(expected, "decoded_skip"), tokenizer.Decode(sequence, skipSpecial: true));
        }
    }

    [Theory]
    [InlineData("llama", false)]
    [InlineData("llama.legacy", true)]
    public void Pairs_and_shortened_sequences_are_those_of_the_reference(string name, bool legacy)
    {
        var (tokenizer, reference) = Open(name, legacy);
        reference.AssertPairsAndBatches(tokenizer);
    }

    [Theory]
    [InlineData("llama", false)]
    [InlineData("llama.legacy", true)]
    public void Added_tokens_are_read_and_written_as_by_the_reference(string name, bool legacy)
    {
        var (plain, reference) = Open(name, legacy);
        var added = reference.Added;
        var tokens = added.GetProperty("tokens").EnumerateArray().Select(token => token.GetString()!).ToList();
        var tokenizer = plain.WithAddedTokens(tokens);
        Assert.Equal(ReferenceTexts.Ids(added, "ids_of_added"), tokens.Select(tokenizer.IdOf));
        reference.AssertAdded(tokenizer);
    }

    private static (LlamaTokenizer Tokenizer, ReferenceTexts Reference) Open(string name, bool legacy)
    {
        var reference = ReferenceTexts.Read(name, "llama");
        return (LlamaTokenizer.Load(reference.Directory, new LlamaTokenizerSettings { Legacy = legacy }), reference);
    }

    private static void AssertSame(IReadOnlyList<int> expected, IReadOnlyList<int> actual, string text) =>
        Assert.True(expected.SequenceEqual(actual), $"{text}: expected {string.Join(' ', expected)}, but was {string.Join(' ', actual)}.");
}
