namespace StreamRec.Torch.Tests;

public sealed class ParallelTests
{
    [Fact]
    public void Threads_compute_and_differentiate_beside_one_another()
    {
        using var weight = Tensor.From([1.0, 2, 3, 4], 2, 2);
        var results = new double[4][];
        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            for (var round = 0; round < 200; round++)
            {
                using var scope = TensorScope.Enter();
                var x = Tensor.Full([2, 2], i, ScalarType.Float64);
                x.RequiresGrad = true;
                x.MatMul(weight).Pow(2).Sum().Backward();
                results[i] = x.Grad!.ToArray<double>();
                Assert.Throws<TorchException>(() => x.MatMul(Tensor.Ones([3, 1], ScalarType.Float64)));
            }
        });

        // d/dx sum (x w)^2 = 2 (x w) w^T with every x = i: column sums of w are 4 and 6.
        for (var i = 0; i < 4; i++)
            Assert.Equal([2.0 * i * 16, 2.0 * i * 36, 2.0 * i * 16, 2.0 * i * 36], results[i]);
    }

    [Fact]
    public void Disposing_while_another_thread_uses_a_tensor_never_frees_it_under_the_call()
    {
        for (var round = 0; round < 200; round++)
        {
            var x = Tensor.Ones([64, 64]);
            var user = new Thread(() =>
            {
                try
                {
                    while (true)
                        x.MatMul(x).Dispose();
                }
                catch (ObjectDisposedException)
                {
                    // The only way that this loop may end.
                }
            });
            user.Start();
            x.Dispose();
            user.Join();
        }
    }
}
