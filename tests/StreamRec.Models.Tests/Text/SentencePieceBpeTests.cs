using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

public sealed class SentencePieceBpeTests
{
    private const int FirstPiece = 259;

    [Fact]
    public void The_best_score_merges_first_and_the_leftmost_of_equal_ones()
    {
        var bpe = new SentencePieceFile { Pieces = ["bc", "ab", "abc", "a", "b", "c", "▁", "▁▁\t-99", "▁▁▁\t-99", "▁▁▁▁\t-99"] }.Read();
        Assert.Equal(["abc"], Pieces(bpe, "abc"));
        Assert.Equal(["ab", "abc", "bc"], Pieces(bpe, "ababcbc"));

        // A run of spaces grows from the left, in whatever pieces there are.
        Assert.Equal(["▁▁▁▁", "▁▁"], Pieces(bpe, "      "));
    }

    [Fact]
    public void Random_text_is_spelled_like_by_the_algorithm_written_down()
    {
        var random = new Random(4);
        for (var run = 0; run < 60; run++)
        {
            // Half the vocabularies have a space inside a piece, so that words cannot be taken one by one; some lack a character that a piece has.
            List<string> pieces = ["▁", "a", "b"];
            while (pieces.Count < 25)
            {
                var piece = pieces[random.Next(pieces.Count)] + (run % 3 == 0 && random.Next(4) == 0 ? "é" : pieces[random.Next(pieces.Count)]);
                if (!pieces.Contains(piece) && (run % 2 == 0 || !piece.TrimStart('▁').Contains('▁', StringComparison.Ordinal)))
                {
                    pieces.Add(piece);
                }
            }

            var scored = pieces.ToDictionary(piece => piece, _ => -random.Next(12));
            var bpe = new SentencePieceFile { Pieces = [.. scored.Select(one => $"{one.Key}\t{one.Value}")] }.Read();
            for (var i = 0; i < 50; i++)
            {
                var text = new string([.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => "  aaabbbé漢"[random.Next(10)])]);
                Assert.Equal(Written(text.Replace(' ', '▁'), scored), Pieces(bpe, text));
            }
        }
    }

    [Fact]
    public void What_has_no_piece_is_spelled_in_bytes_and_comes_back()
    {
        var bpe = new SentencePieceFile { Pieces = ["▁toy", "▁to", "▁t", "▁", "t", "o", "y"] }.Read();
        const string Text = "  toy é 漢 😀\t\0";
        var ids = new List<int>();
        bpe.Encode(Text, ids, dummyPrefix: true);
        Assert.Equal(Text, bpe.Decode([.. ids], dummyPrefix: true));
        Assert.Equal(" " + Text, bpe.Decode([.. ids], dummyPrefix: false));
    }

    [Fact]
    public void Each_byte_of_no_character_becomes_a_replacement_character()
    {
        var bpe = new SentencePieceFile { Pieces = ["a"] }.Read();
        Assert.Equal("\uFFFD\uFFFDaé\uFFFD", bpe.Decode([3 + 0xE2, 3 + 0x82, FirstPiece, 3 + 0xC3, 3 + 0xA9, 3 + 0xFF], dummyPrefix: true));
    }

    [Fact]
    public void Without_bytes_what_has_no_piece_is_one_unknown_piece()
    {
        var bpe = new SentencePieceFile { Pieces = ["a", "▁a"], Bytes = false }.Read();
        Assert.Equal(["a", "<unk>", "a"], Pieces(bpe, "axyza"));

        // The space alone has no piece either, and joins across words.
        Assert.Equal(["a", "<unk>", "▁a"], Pieces(bpe, "ax  y a"));
        Assert.Equal("a \u2047 a", bpe.Decode([3, 0, 3], dummyPrefix: true));
    }

    [Fact]
    public void Spaces_are_made_one_where_the_model_says_so()
    {
        var bpe = new SentencePieceFile { Pieces = ["▁", "a", "b"], RemovesSpaces = true }.Read();
        Assert.Equal(["▁", "a", "▁", "b"], Pieces(bpe, "  a   b  ", dummyPrefix: true));
        Assert.Empty(Pieces(bpe, "   ", dummyPrefix: true));
    }

    [Fact]
    public void Text_is_normalized_by_the_longest_match_of_the_character_map()
    {
        var characters = SentencePieceFile.CharacterMap(("Ａ", "a"), ("é", "e"), ("ée", "ß"), ("\u0001", ""), ("\u00A0", " "));
        var bpe = new SentencePieceFile { Pieces = ["▁", "a", "e", "ß", "b"], Characters = characters, RemovesSpaces = true }.Read();
        Assert.Equal(["▁", "a", "▁", "e", "ß", "b"], Pieces(bpe, "\u00A0Ａ\u0001\u00A0 éée\u0001b", dummyPrefix: true));
    }

    private static List<string> Pieces(SentencePieceBpe bpe, string text, bool dummyPrefix = false)
    {
        var ids = new List<int>();
        bpe.Encode(text, ids, dummyPrefix);
        return [.. ids.Select(id => bpe.Model.Pieces[id].Text)];
    }

    private static List<string> Written(string text, Dictionary<string, int> scores)
    {
        List<string> symbols = [.. text.EnumerateRunes().Select(rune => rune.ToString())];
        while (true)
        {
            var places = Enumerable.Range(0, symbols.Count - 1).Where(i => scores.ContainsKey(symbols[i] + symbols[i + 1])).ToList();
            if (places.Count == 0)
            {
                break;
            }

            var best = places.MaxBy(i => scores[symbols[i] + symbols[i + 1]]);
            symbols[best] += symbols[best + 1];
            symbols.RemoveAt(best + 1);
        }

        return [.. symbols.SelectMany(symbol => scores.ContainsKey(symbol)
            ? [symbol]
            : System.Text.Encoding.UTF8.GetBytes(symbol).Select(b => SentencePieceModel.ByteText(b)))];
    }
}
