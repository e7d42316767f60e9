using System.Buffers.Binary;
using System.Text;

namespace StreamRec.Torch.Tests;

public sealed class SafeTensorsTests : IDisposable
{
    private const string Good = """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}""";

    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Every_type_shape_and_layout_comes_back_as_it_was_saved()
    {
        using var scope = TensorScope.Enter();
        var tensors = Enum.GetValues<ScalarType>()
            .Select(dtype => (Name: $"{dtype}", Tensor: Tensor.From([0f, 1, 2, 3, 4, 5], 2, 3).To(dtype)))
            .Append(("number", Tensor.Full([], 7, ScalarType.Int64)))
            .Append(("nothing", Tensor.Empty([3, 0])))
            .Append(("transposed \"ü\"\n", Tensor.Arange(6).View(2, 3).T))
            .ToArray();
        var metadata = new Dictionary<string, string> { ["format"] = "pt", ["größe"] = "\"1\"" };

        SafeTensorsFile.Write(_path, tensors, metadata);

        using var file = SafeTensorsFile.Open(_path);
        Assert.Equal(metadata, file.Metadata);
        Assert.Equal(tensors.Select(named => named.Item1).Order(), file.Names.Order());
        foreach (var (name, tensor) in tensors)
        {
            var read = file.Read(name);
            Assert.Equal(tensor.Dtype, read.Dtype);
            Assert.Equal(tensor.Shape, read.Shape);
            Assert.Equal(tensor.Shape, file.Entry(name).Shape);
            Assert.True(read.Eq(tensor).All().Item<bool>());
        }
    }

    [Fact]
    public void A_trained_model_comes_back_with_its_optimiser()
    {
        using var scope = TensorScope.Enter();
        using var trained = new Linear(3, 2);
        using var optimizer = new Adam(trained.NamedParameters());
        trained.Forward(Tensor.Ones([1, 3])).Sum().Backward();
        optimizer.Step();
        SafeTensorsFile.Write(_path, trained.StateDict().Concat(optimizer.StateDict()).Select(pair => (pair.Key, pair.Value)));

        using var loaded = new Linear(3, 2);
        using var again = new Adam(loaded.NamedParameters());
        using var file = SafeTensorsFile.Open(_path);
        loaded.LoadStateDict(loaded.StateDict().Keys.ToDictionary(name => name, file.Read));
        again.LoadStateDict(again.StateDict().Keys.ToDictionary(name => name, file.Read));

        Assert.Equal(trained.Weight.ToArray<float>(), loaded.Weight.ToArray<float>());
        Assert.Equal(optimizer.StateDict()["exp_avg.weight"].ToArray<float>(), again.StateDict()["exp_avg.weight"].ToArray<float>());
        Assert.Equal(1, again.StateDict()["step.bias"].Item<long>());
    }

    [Fact]
    public void The_same_tensors_in_any_order_give_the_same_bytes_aligned_to_their_types()
    {
        using var scope = TensorScope.Enter();
        (string, Tensor)[] tensors = [("b", Tensor.From([true])), ("c", Tensor.Ones([3])), ("a", Tensor.Arange(2))];

        SafeTensorsFile.Write(_path, tensors, new Dictionary<string, string> { ["x"] = "1", ["y"] = "2" });
        var first = File.ReadAllBytes(_path);
        SafeTensorsFile.Write(_path, tensors.Reverse(), new Dictionary<string, string> { ["y"] = "2", ["x"] = "1" });

        Assert.Equal(first, File.ReadAllBytes(_path));
        Assert.Equal(0, (long)BinaryPrimitives.ReadUInt64LittleEndian(first) % 8);
        using var file = SafeTensorsFile.Open(_path);
        Assert.Equal(["a", "c", "b"], file.Names);
    }

    [Fact]
    public void Writing_a_name_twice_is_refused_and_leaves_the_old_file()
    {
        using var x = Tensor.Ones([1]);
        File.WriteAllText(_path, "old");

        Assert.Throws<ArgumentException>(() => SafeTensorsFile.Write(_path, [("a", x), ("a", x)]));
        Assert.Throws<ArgumentException>(() => SafeTensorsFile.Write(_path, [("__metadata__", x)]));

        Assert.Equal("old", File.ReadAllText(_path));
    }

    [Fact]
    public void A_good_file_is_read_and_a_name_that_is_not_there_is_named()
    {
        WriteFile(Good, 9);
        using var file = SafeTensorsFile.Open(_path);
        using var a = file.Read("a");

        Assert.Equal(new SafeTensorsEntry("b", ScalarType.UInt8, file.Entry("b").Shape, 8, 9), file.Entry("b"));
        Assert.Equal([0f, 0], a.ToArray<float>());
        Assert.True(file.Contains("a"));
        Assert.Equal(
            "There is no tensor 'c' in the file; it has 2 others.",
            Assert.Throws<SafeTensorsException>(() => file.Read("c")).Message);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""", 8, "not valid JSON")]
    [InlineData("""[]""", 0, "does not begin with '{'")]
    [InlineData(""" {}""", 0, "does not begin with '{'")]
    [InlineData("""{} {}""", 0, "not valid JSON")]
    [InlineData("""{"a":7}""", 0, "'a' is a Number; it must be an object")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", 16, "Key 'a' comes twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\u0061":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", 16, "Key 'a' comes twice")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "field dtype twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}""", 8, "field shape twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""", 8, "Tensor 'a' has no data_offsets")]
    [InlineData("""{"a":{"shape":[2],"data_offsets":[0,8]}}""", 8, "Tensor 'a' has no dtype")]
    [InlineData("""{"a":{"dtype":"F32","data_offsets":[0,8]}}""", 8, "Tensor 'a' has no shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}""", 8, "field 'x'; only dtype, shape and data_offsets")]
    [InlineData("""{"a":{"dtype":"I16","shape":[4],"data_offsets":[0,8]}}""", 8, "dtype is 'I16'; it must be one of F64")]
    [InlineData("""{"a":{"dtype":1,"shape":[2],"data_offsets":[0,8]}}""", 8, "dtype is a Number")]
    [InlineData("""{"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}}""", 8, "shape is a String; it must be an array")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "shape has an element at index 0 that is not an integer")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", 8, "shape has an element at index 0 that is not an integer")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}""", 8, "shape has an element at index 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}}""", 8, "shape has an element at index 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "has more than 2^63 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "has more than 2^63 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "hold 8 bytes; shape [3] of F32 needs 12")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "hold -8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,16]}}""", 8, "data_offsets has more than 2 elements")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}}""", 8, "data_offsets has 1 elements; it must have 2")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "begin at 4, which leaves a gap; they must begin at 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "begin at 4, which overlaps")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "cover 8 bytes, but the file has 9 behind its header: 1 are too many")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 5, "cover 8 bytes, but the file has 5 behind its header: 3 are missing")]
    [InlineData("""{}""", 1, "cover 0 bytes, but the file has 1")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "__metadata__ 'a' is a Number; it must be a string")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"}}""", 0, "__metadata__ 'a' comes twice")]
    [InlineData("""{"__metadata__":"a"}""", 0, "'__metadata__' is a String; it must be an object")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}""", 4, "not valid Unicode")]
    public void A_header_that_lies_is_refused_with_what_was_expected(string header, int dataBytes, string message)
    {
        WriteFile(header, dataBytes);

        var exception = Assert.Throws<SafeTensorsException>(() => SafeTensorsFile.Open(_path));

        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        Assert.StartsWith(_path, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_shape_with_too_many_dimensions_is_refused()
    {
        var ones = string.Join(",", Enumerable.Repeat("1", 65));
        WriteFile("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""".Replace("[1]", $"[{ones}]", StringComparison.Ordinal), 1);

        var exception = Assert.Throws<SafeTensorsException>(() => SafeTensorsFile.Open(_path));

        Assert.Contains("shape has more than 64 elements", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_truncated_file_is_refused_with_the_missing_byte_count()
    {
        WriteFile(Good, 9);
        var bytes = File.ReadAllBytes(_path);

        File.WriteAllBytes(_path, bytes[..^3]);
        Assert.Contains("3 are missing", Refusal(), StringComparison.Ordinal);
        File.WriteAllBytes(_path, bytes[..20]);
        Assert.Contains($"the file ends {bytes.Length - 9 - 20} bytes before the header does", Refusal(), StringComparison.Ordinal);
        File.WriteAllBytes(_path, bytes[..7]);
        Assert.Contains("The file has 7 bytes", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_cut_short_after_it_was_opened_gives_an_exception()
    {
        WriteFile(Good, 9);
        using var file = SafeTensorsFile.Open(_path);
        using (var cut = new FileStream(_path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            cut.SetLength(cut.Length - 4);

        Assert.Contains("cut short", Assert.Throws<SafeTensorsException>(() => file.Read("a")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_huge_header_length_is_refused_without_reserving_it()
    {
        foreach (var length in new[] { ulong.MaxValue, (ulong)long.MaxValue, (16UL << 20) + 1 })
        {
            var bytes = new byte[16];
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
            File.WriteAllBytes(_path, bytes);
            var before = GC.GetAllocatedBytesForCurrentThread();

            Assert.Contains($"length is {length}; at most 16777216", Refusal(), StringComparison.Ordinal);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        }
    }

    [Fact]
    public void A_truth_value_other_than_0_and_1_is_refused()
    {
        WriteFile("""{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}""", 2, 7);
        using var file = SafeTensorsFile.Open(_path);

        Assert.Equal("Tensor 'a' of BOOL has a byte other than 0 and 1.", Assert.Throws<SafeTensorsException>(() => file.Read("a")).Message);
    }

    [Fact]
    public void A_file_written_by_the_reference_implementation_is_read()
    {
        using var scope = TensorScope.Enter();
        using var file = SafeTensorsFile.Open(Fixtures.Find("models", "recgpt-softmax-tiny", "model.safetensors"));

        Assert.NotEmpty(file.Names);
        foreach (var name in file.Names)
        {
            var tensor = file.Read(name);
            Assert.Equal(file.Entry(name).Shape, tensor.Shape);
            Assert.True(tensor.IsFinite().All().Item<bool>(), name);
        }

        // Written again in the same order of types and names, the elements have to be the same bytes.
        SafeTensorsFile.Write(_path, file.Names.Select(name => (name, file.Read(name))), file.Metadata);
        using var copy = SafeTensorsFile.Open(_path);
        Assert.All(file.Names, name => Assert.True(copy.Read(name).Eq(file.Read(name)).All().Item<bool>()));
    }

    private string Refusal() => Assert.Throws<SafeTensorsException>(() => SafeTensorsFile.Open(_path)).Message;

    private void WriteFile(string header, int dataBytes, byte fill = 0)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var bytes = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)json.Length);
        json.CopyTo(bytes, 8);
        bytes.AsSpan(8 + json.Length).Fill(fill);
        File.WriteAllBytes(_path, bytes);
    }
}
