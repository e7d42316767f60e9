namespace StreamRec.Models.Text;

/// <summary>The printable characters that stand for bytes in <c>vocab.json</c> and <c>merges.txt</c>.</summary>
/// <remarks>
/// A byte that prints in Latin-1 and is no space stands for itself; the 68 others take the characters from U+0100 on, in byte order. So a space is
/// Ġ (U+0120) and a file of tokens needs no escapes. Source: Radford et al. 2019.
/// </remarks>
internal static class ByteAlphabet
{
    private static readonly char[] Symbols = CreateSymbols();
    private static readonly Dictionary<char, byte> Bytes = Enumerable.Range(0, 256).ToDictionary(b => Symbols[b], b => (byte)b);

    /// <summary>The 256 bytes in the order of their characters, which is the order that vocabularies have them in.</summary>
    public static IEnumerable<byte> InOrder => Bytes.OrderBy(pair => pair.Key).Select(pair => pair.Value);

    /// <summary>Bytes as their characters.</summary>
    public static string Write(ReadOnlySpan<byte> bytes)
    {
        var text = new char[bytes.Length];
        for (var i = 0; i < text.Length; i++)
        {
            text[i] = Symbols[bytes[i]];
        }

        return new string(text);
    }

    /// <summary>The bytes that a token's characters stand for; false where a character stands for none.</summary>
    public static bool TryRead(string token, out byte[] bytes)
    {
        bytes = new byte[token.Length];
        for (var i = 0; i < bytes.Length; i++)
        {
            if (!Bytes.TryGetValue(token[i], out bytes[i]))
            {
                return false;
            }
        }

        return true;
    }

    private static char[] CreateSymbols()
    {
        var symbols = new char[256];
        var next = '\u0100';
        for (var b = 0; b < symbols.Length; b++)
        {
            symbols[b] = b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or >= 0xAE ? (char)b : next++;
        }

        return symbols;
    }
}
