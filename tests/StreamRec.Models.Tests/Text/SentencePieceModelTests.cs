using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

public sealed class SentencePieceModelTests : IDisposable
{
    private static readonly SentencePieceFile File = new() { Pieces = ["▁", "a", "ab", "b"] };

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_model_is_read()
    {
        var model = SentencePieceModel.Read(File.Write(_directory));
        Assert.Equal(263, model.Pieces.Count);
        Assert.Equal(("ab", -2f, SentencePieceModel.PieceType.Normal), model.Pieces[261]);
        Assert.Equal((0, 1, 2, -1), (model.Unknown, model.Begin, model.End, model.Padding));
        Assert.Equal((true, true, false), (model.ByteFallback, model.DummyPrefix, model.RemovesSpaces));
    }

    [Fact]
    public void A_model_of_another_kind_is_refused()
    {
        AssertRefused(File with { ModelType = 1 }, "the model is of type 1; only BPE (2) is read");
        AssertRefused(File with { More = [SentencePieceFile.Piece("x", 0, 4)] }, "piece 263, 'x', is user-defined or unused");
        AssertRefused(File with { More = [SentencePieceFile.Piece("x", 0, 9)] }, "piece 263 is 'x' with score 0 and type 9");
        AssertRefused(File with { More = [SentencePieceFile.Piece("x", float.NaN, 1)] }, "score NaN");
        AssertRefused(File with { More = [SentencePieceFile.Piece("", 0, 1)] }, "piece 263 is ''");
        AssertRefused(File with { More = [SentencePieceFile.Piece("ab", 0, 1)] }, "pieces 261 and 263 are both 'ab'");
        AssertRefused(File with { Characters = [4, 0, 0, 0, 1, 2] }, "the character map of 6 bytes begins with a trie of 4");
        AssertRefused(File with { Characters = [4, 0, 0, 0, 0, 0, 0, 0, 65] }, "do not end with a zero byte");
    }

    [Fact]
    public void An_empty_file_is_refused()
    {
        var path = Path.Combine(_directory.Path, "tokenizer.model");
        System.IO.File.WriteAllBytes(path, []);
        Assert.Contains("the model is of type 1", Assert.Throws<InvalidDataException>(() => SentencePieceModel.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_file_is_refused_or_read_but_never_anything_else()
    {
        var whole = (File with { Characters = SentencePieceFile.CharacterMap(("é", "e"), ("ab", "b")) }).ToArray();
        var random = new Random(8);
        for (var run = 0; run < 200; run++)
        {
            var bytes = whole[..(run % 2 == 0 ? random.Next(whole.Length) : whole.Length)];
            for (var flips = random.Next(1, 5); flips > 0 && bytes.Length > 0; flips--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            var path = Path.Combine(_directory.Path, "tokenizer.model");
            System.IO.File.WriteAllBytes(path, bytes);
            try
            {
                new SentencePieceBpe(SentencePieceModel.Read(path)).Encode("ab é\u0301 ab", [], dummyPrefix: true);
            }
            catch (InvalidDataException)
            {
                // As it should be.
            }
        }
    }

    private void AssertRefused(SentencePieceFile file, string message)
    {
        var path = file.Write(_directory);
        var error = Assert.Throws<InvalidDataException>(() => SentencePieceModel.Read(path));
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
