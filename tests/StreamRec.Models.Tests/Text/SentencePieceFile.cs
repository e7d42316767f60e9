using System.Buffers.Binary;
using System.Text;
using StreamRec.Models.Text;

namespace StreamRec.Models.Tests.Text;

/// <summary>A small SentencePiece model file: pieces 0 to 2 are unknown, begin and end, 3 to 258 the bytes where there are such, then the given ones.</summary>
internal sealed record SentencePieceFile
{
    /// <summary>Normal pieces, best score first; a score may be given behind a tab.</summary>
    public IReadOnlyList<string> Pieces { get; init; } = [];

    public bool Bytes { get; init; } = true;

    public bool RemovesSpaces { get; init; }

    public int ModelType { get; init; } = 2;

    /// <summary>The character map, or none.</summary>
    public byte[] Characters { get; init; } = [];

    /// <summary>Fields of further pieces.</summary>
    public IReadOnlyList<byte[]> More { get; init; } = [];

    /// <summary>The file.</summary>
    public byte[] ToArray()
    {
        List<byte[]> pieces = [Piece("<unk>", 0, 2), Piece("<s>", 0, 3), Piece("</s>", 0, 3)];
        pieces.AddRange(Enumerable.Range(0, Bytes ? 256 : 0).Select(b => Piece(SentencePieceModel.ByteText(b), 0, 6)));
        pieces.AddRange(Pieces.Select((text, i) => text.Split('\t') is [var piece, var score] ? Piece(piece, int.Parse(score, null), 1) : Piece(text, -i, 1)));
        byte[] trainer = [.. Number(3, ModelType), .. Number(35, Bytes ? 1 : 0), .. Number(43, -1)];
        byte[] normalizer = [.. Message(2, Characters), .. Number(4, RemovesSpaces ? 1 : 0)];
        return [.. pieces.Concat(More).SelectMany(piece => Message(1, piece)), .. Message(2, trainer), .. Message(3, normalizer)];
    }

    public SentencePieceBpe Read()
    {
        using var directory = new TemporaryDirectory();
        return new SentencePieceBpe(SentencePieceModel.Read(Write(directory)));
    }

    public string Write(TemporaryDirectory directory)
    {
        var path = Path.Combine(directory.Path, "tokenizer.model");
        File.WriteAllBytes(path, ToArray());
        return path;
    }

    public static byte[] Piece(string text, float score, int type)
    {
        var bits = new byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bits, score);
        return [.. Message(1, Encoding.UTF8.GetBytes(text)), (2 << 3) | 5, .. bits, .. Number(3, type)];
    }

    /// <summary>A character map whose trie gives every node a block of 256 units.</summary>
    public static byte[] CharacterMap(params (string From, string To)[] entries)
    {
        var texts = new List<byte>();
        var nodes = new SortedDictionary<string, (int Block, int Unit)>(StringComparer.Ordinal) { [""] = (0, 0) };
        var units = new List<uint>(new uint[256]);
        foreach (var (from, to) in entries)
        {
            var bytes = Encoding.UTF8.GetBytes(from);
            for (var length = 1; length <= bytes.Length; length++)
            {
                var (parent, key) = (Convert.ToHexString(bytes[..(length - 1)]), Convert.ToHexString(bytes[..length]));
                if (!nodes.ContainsKey(key))
                {
                    var (block, unit) = (units.Count, nodes[parent].Block ^ bytes[length - 1]);
                    units.AddRange(new uint[256]);
                    units[unit] = bytes[length - 1] | ((uint)(unit ^ block) << 10);
                    nodes.Add(key, (block, unit));
                }
            }

            var end = nodes[Convert.ToHexString(bytes)];
            units[end.Unit] |= 0x100;
            units[end.Block] = 0x8000_0000 | (uint)texts.Count;
            texts.AddRange([.. Encoding.UTF8.GetBytes(to), 0]);
        }

        var trie = units.SelectMany(BitConverter.GetBytes).ToArray();
        return [.. BitConverter.GetBytes((uint)trie.Length), .. trie, .. texts];
    }

    private static byte[] Message(int field, byte[] content) => [.. Varint(((ulong)field << 3) | 2), .. Varint((ulong)content.Length), .. content];

    private static byte[] Number(int field, long value) => [.. Varint((ulong)field << 3), .. Varint((ulong)value)];

    private static List<byte> Varint(ulong value)
    {
        List<byte> bytes = [];
        for (; value > 0x7F; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }

        bytes.Add((byte)value);
        return bytes;
    }
}
