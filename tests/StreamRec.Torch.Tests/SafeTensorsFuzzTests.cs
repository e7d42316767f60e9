using System.Buffers.Binary;

namespace StreamRec.Torch.Tests;

/// <summary>Damaged files: whatever the bytes, opening and reading everything ends in tensors that fit the file or a SafeTensorsException.</summary>
public sealed class SafeTensorsFuzzTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();
    private readonly byte[] _good;

    public SafeTensorsFuzzTests()
    {
        using var scope = TensorScope.Enter();
        var tensors = new[]
        {
            ("items.weight", Tensor.From([1f, 2, 3, 4, 5, 6], 3, 2)),
            ("mask", Tensor.From([true, false, true])),
            ("step", Tensor.Full([], 7, ScalarType.Int64)),
        };
        SafeTensorsFile.Write(_path, tensors, new Dictionary<string, string> { ["format"] = "pt" });
        _good = File.ReadAllBytes(_path);
    }

    private int HeaderEnd => 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(_good);

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void A_flipped_bit_anywhere_in_the_header_never_breaks_the_reader()
    {
        var refused = 0;
        for (var position = 0; position < HeaderEnd; position++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                var bytes = (byte[])_good.Clone();
                bytes[position] ^= (byte)(1 << bit);
                refused += Survives(bytes) ? 0 : 1;
            }
        }

        // Names, the metadata and padding may change without harm; structure, types, shapes and offsets may not.
        Assert.InRange(refused, HeaderEnd * 4, HeaderEnd * 8);
    }

    [Fact]
    public void A_file_cut_at_any_length_is_refused()
    {
        for (var length = 0; length < _good.Length; length++)
            Assert.False(Survives(_good[..length]), $"A file cut to {length} bytes was accepted.");
    }

    [Fact]
    public void Random_damage_never_breaks_the_reader()
    {
        var random = new Random(42);
        for (var round = 0; round < 4000; round++)
        {
            var bytes = new List<byte>(_good);
            for (var edits = random.Next(1, 4); edits > 0; edits--)
            {
                var at = random.Next(bytes.Count);
                switch (random.Next(4))
                {
                    case 0:
                        bytes[at] = (byte)random.Next(256);
                        break;
                    case 1:
                        bytes.Insert(at, (byte)"0123456789[]{}\",:-.eE\\"[random.Next(22)]);
                        break;
                    case 2 when bytes.Count > 1:
                        bytes.RemoveAt(at);
                        break;
                    default:
                        // A piece of the file repeated elsewhere: doubled keys, fields and brackets.
                        var piece = bytes.GetRange(at, Math.Min(random.Next(1, 40), bytes.Count - at));
                        bytes.InsertRange(random.Next(bytes.Count), piece);
                        break;
                }
            }

            var damaged = bytes.ToArray();
            if (damaged.Length >= 8 && random.Next(2) == 0)
                MendLength(damaged, damaged.Length - _good.Length);
            Survives(damaged);
        }
    }

    [Fact]
    public void A_header_that_is_only_digits_and_brackets_never_breaks_the_reader()
    {
        var random = new Random(7);
        for (var round = 0; round < 2000; round++)
        {
            var text = new string(random.GetItems("{}[]\":,0123456789a".AsSpan(), random.Next(1, 60)));
            var bytes = new byte[8 + 1 + text.Length + 16];
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)text.Length + 1);
            System.Text.Encoding.ASCII.GetBytes("{" + text).CopyTo(bytes, 8);
            Survives(bytes);
        }
    }

    // The header's length follows an edit, so that the damage is met by the JSON and offset checks and not by the first one.
    private static void MendLength(byte[] bytes, int growth)
    {
        var length = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        if (length < 1 << 20)
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, length + (ulong)growth);
    }

    private bool Survives(byte[] bytes)
    {
        File.WriteAllBytes(_path, bytes);
        try
        {
            using var scope = TensorScope.Enter();
            using var file = SafeTensorsFile.Open(_path);
            var total = 0L;
            foreach (var name in file.Names)
            {
                var tensor = file.Read(name);
                total += tensor.Numel * tensor.Dtype.Size();
            }

            Assert.InRange(total, 0, bytes.Length - 8);
            return true;
        }
        catch (SafeTensorsException)
        {
            return false;
        }
    }
}
