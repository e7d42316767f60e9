namespace StreamRec.Torch.Tests;

public sealed class TensorTests
{
    [Fact]
    public void A_sum_has_the_elements_added()
    {
        using var scope = TensorScope.Enter();
        var x = Tensor.From([1f, 2, 3, 4], 2, 2);

        Assert.Equal([2f, 4, 6, 8], (x + x).ToArray<float>());
        Assert.Equal(ScalarType.Int64, (Tensor.Arange(3) + 1).Dtype);
    }
}
