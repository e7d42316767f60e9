namespace StreamRec.Torch.Tests;

public sealed class TensorTests
{
    [Fact]
    public void Elements_come_out_as_they_went_in_for_every_type()
    {
        using var scope = TensorScope.Enter();

        Assert.Equal([1.5f, -2], Tensor.From([1.5f, -2]).ToArray<float>());
        Assert.Equal([1.5, -2], Tensor.From([1.5, -2]).ToArray<double>());
        Assert.Equal([long.MinValue, 7], Tensor.From([long.MinValue, 7]).ToArray<long>());
        Assert.Equal([int.MaxValue, 7], Tensor.From([int.MaxValue, 7]).ToArray<int>());
        Assert.Equal([true, false], Tensor.From([true, false]).ToArray<bool>());
        Assert.Equal([byte.MaxValue, 7], Tensor.From(new byte[] { 255, 7 }).ToArray<byte>());
        Assert.Equal([(Half)1.5f], Tensor.From([(Half)1.5f]).ToArray<Half>());
    }

    [Fact]
    public void Created_tensors_have_the_elements_shape_and_type_asked_for()
    {
        using var random = TorchRandom.Enter(1);
        using var scope = TensorScope.Enter();

        Assert.Equal([0f, 0], Tensor.Zeros([2]).ToArray<float>());
        Assert.Equal([1L, 1], Tensor.Ones([2], ScalarType.Int64).ToArray<long>());
        Assert.Equal([2.5, 2.5], Tensor.Full([1, 2], 2.5, ScalarType.Float64).ToArray<double>());
        Assert.Equal([0L, 1, 2], Tensor.Arange(3).ToArray<long>());
        Assert.Equal([1f, 1.5f], Tensor.Arange(1, 2, 0.5, ScalarType.Float32).ToArray<float>());
        Assert.Equal([3L, 0, 2], Tensor.Empty([3, 0, 2]).Shape);
        Assert.Equal([0.0, 0], Tensor.ZerosLike(Tensor.From([1.0, 2])).ToArray<double>());
        Assert.All(Tensor.Rand([100]).ToArray<float>(), x => Assert.InRange(x, 0, 1));
        Assert.All(Tensor.RandInt(-2, 3, [100]).ToArray<long>(), x => Assert.InRange(x, -2, 2));
        Assert.InRange(Tensor.RandN([10_000], ScalarType.Float64).Mean().Item<double>(), -0.1, 0.1);
        Assert.InRange(Tensor.Empty([10_000]).Normal_(5, 0.1).Mean().Item<double>(), 4.9, 5.1);
        Assert.All(Tensor.Empty([100]).Uniform_(3, 4).ToArray<float>(), x => Assert.InRange(x, 3, 4));
    }

    [Fact]
    public void A_tensor_says_what_it_is()
    {
        using var scope = TensorScope.Enter();
        var x = Tensor.Zeros([2, 3], ScalarType.Float64);

        Assert.Equal([2L, 3], x.Shape);
        Assert.Equal(2, x.Dim);
        Assert.Equal(3, x.Size(-1));
        Assert.Equal(6, x.Numel);
        Assert.Equal(Device.Cpu, x.Device);
        Assert.True(x.IsContiguous);
        Assert.False(x.T.IsContiguous);
        Assert.False(x.RequiresGrad);
        Assert.Null(x.Grad);
        Assert.Equal("Tensor(Float64 [2, 3] cpu)", x.ToString());
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Int64)]
    [InlineData(ScalarType.Int32)]
    [InlineData(ScalarType.Bool)]
    [InlineData(ScalarType.UInt8)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Converting_gives_the_type_asked_for(ScalarType dtype)
    {
        using var scope = TensorScope.Enter();
        var x = Tensor.From([0f, 1]).To(dtype);

        Assert.Equal(dtype, x.Dtype);
        Assert.Equal([0f, 1], x.To(ScalarType.Float32).ToArray<float>());
    }

    [Fact]
    public void An_integer_number_keeps_the_type_of_integers_and_a_fraction_does_not()
    {
        using var scope = TensorScope.Enter();
        var x = Tensor.Arange(3);

        Assert.Equal([1L, 2, 3], (x + 1).ToArray<long>());
        Assert.Equal(ScalarType.Float32, (x + 1.0).Dtype);
        Assert.Equal(ScalarType.Float32, (x / 2).Dtype);
    }

    [Fact]
    public void Reading_as_another_type_names_both_types()
    {
        using var scope = TensorScope.Enter();
        var x = Tensor.Arange(3);

        var exception = Assert.Throws<InvalidOperationException>(() => x.ToArray<float>());

        Assert.Contains("Int64", exception.Message, StringComparison.Ordinal);
        Assert.Contains("Single", exception.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => x.Data<int>());
        Assert.Throws<InvalidOperationException>(() => x.Sum().Item<double>());
        Assert.Throws<InvalidOperationException>(() => Tensor.Ones([]).Item<long>());
        Assert.Throws<ArgumentException>(() => Tensor.From([1.5m]));
        Assert.Throws<OverflowException>(() => Tensor.From([1L << 40]).Item<int>());
    }

    [Fact]
    public void A_single_element_is_read_as_a_type_that_suits_it()
    {
        using var scope = TensorScope.Enter();

        Assert.Equal(1.5, Tensor.From([1.5f]).Item<double>());
        Assert.Equal(1.5f, Tensor.From([1.5]).Item<float>());
        Assert.Equal(1.5, Tensor.From([1.5f]).To(ScalarType.BFloat16).Item<double>());
        Assert.Equal(long.MaxValue, Tensor.From([long.MaxValue]).Item<long>());
        Assert.Equal(7, Tensor.From([7L]).Item<int>());
        Assert.True(Tensor.From([true]).Item<bool>());
    }

    [Fact]
    public void Data_shows_the_elements_where_they_are()
    {
        using var x = Tensor.From([1f, 2, 3]);
        var data = x.Data<float>();

        x.Mul_(10);

        Assert.Equal([10f, 20, 30], data);
    }

    [Fact]
    public void Using_a_disposed_tensor_throws_and_disposing_twice_does_not()
    {
        var x = Tensor.Ones([2]);
        x.Dispose();
        x.Dispose();

        Assert.True(x.IsDisposed);
        Assert.Throws<ObjectDisposedException>(() => x + 1);
        Assert.Throws<ObjectDisposedException>(() => x.Shape);
        Assert.Throws<ObjectDisposedException>(() => Tensor.Cat([x]));
        Assert.Equal("Tensor(disposed)", x.ToString());
    }

    [Fact]
    public void A_view_outlives_its_source()
    {
        var x = Tensor.From([1f, 2, 3]);
        using var view = x.Narrow(0, 1, 2);
        x.Dispose();

        Assert.Equal([2f, 3], view.ToArray<float>());
    }

    [Fact]
    public void Gradients_add_up_until_they_are_dropped()
    {
        using var scope = TensorScope.Enter();
        var x = Tensor.From([3.0]);
        x.RequiresGrad = true;
        var y = x * x;

        y.Backward(retainGraph: true);
        y.Backward(Tensor.From([2.0]));

        Assert.Equal([18.0], x.Grad!.ToArray<double>());
        x.Grad = null;
        Assert.Null(x.Grad);
        x.Grad = Tensor.From([1.0]);
        Assert.Equal([1.0], x.Grad!.ToArray<double>());
    }

    [Fact]
    public void Detached_elements_are_shared_and_have_no_history()
    {
        using var scope = TensorScope.Enter();
        var x = Tensor.From([3.0]);
        x.RequiresGrad = true;
        var detached = (x * 1).Detach();

        Assert.False(detached.RequiresGrad);
        Assert.True((x * 1).RequiresGrad);
        detached = x.Detach();
        detached.Fill_(5);
        Assert.Equal(5, x.Item<double>());
    }

    [Fact]
    public void Without_grad_nothing_is_recorded_until_the_outermost_block_ends()
    {
        using var x = Tensor.Ones([1]);
        x.RequiresGrad = true;
        using (NoGrad.Enter())
        {
            using (NoGrad.Enter())
                Assert.False(NoGrad.GradEnabled);
            using var y = x * 2;
            Assert.False(y.RequiresGrad);
        }

        using var z = x * 2;
        Assert.True(z.RequiresGrad);
    }

    [Fact]
    public void A_device_that_is_not_there_is_refused()
    {
        Assert.SkipWhen(TorchRuntime.CudaAvailable, "There is a CUDA device.");

        Assert.Equal(0, TorchRuntime.DeviceCount);
        Assert.Throws<TorchException>(() => Tensor.Zeros([1], device: Device.Cuda(0)));
        Assert.Equal("cuda:1", Device.Cuda(1).ToString());
    }
}
