namespace StreamRec.Torch.Tests;

public sealed class ModuleTests
{
    [Fact]
    public void Names_are_dotted_in_the_order_of_registration_with_buffers_last_in_each_module()
    {
        using var model = new Model();

        Assert.Equal(
            ["scale", "items.weight", "blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "norm.weight", "norm.bias"],
            model.NamedParameters().Select(named => named.Name));
        Assert.Equal(
            ["scale", "mask", "items.weight", "blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "norm.weight", "norm.bias"],
            model.StateDict().Keys);
        Assert.Equal(7, model.Parameters().Count());
        Assert.All(model.Parameters(), parameter => Assert.True(parameter.RequiresGrad));
        Assert.False(model.StateDict()["mask"].RequiresGrad);
    }

    [Fact]
    public void Layers_begin_as_in_PyTorch()
    {
        using var random = TorchRandom.Enter(1);
        using var linear = new Linear(100, 50);
        using var embedding = new Embedding(200, 50);
        using var norm = new LayerNorm(3);

        Assert.Equal([50L, 100], linear.Weight.Shape);
        Assert.All(linear.Weight.ToArray<float>(), x => Assert.InRange(x, -0.1f, 0.1f));
        Assert.InRange(linear.Weight.ToArray<float>().Max(), 0.099f, 0.1f);
        Assert.All(linear.Bias!.ToArray<float>(), x => Assert.InRange(x, -0.1f, 0.1f));
        Assert.InRange(embedding.Weight.ToArray<float>().Average(x => x * x), 0.9f, 1.1f);
        Assert.Equal([1f, 1, 1], norm.Weight.ToArray<float>());
        Assert.Equal([0f, 0, 0], norm.Bias.ToArray<float>());
    }

    [Fact]
    public void Initial_values_have_the_ranges_of_their_papers()
    {
        using var scope = TensorScope.Enter();
        var weight = Tensor.Empty([100, 50]);

        Assert.InRange(Init.XavierUniform_(weight).Abs().Max().Item<float>(), 0.19f, 0.2f);
        Assert.InRange(Init.KaimingUniform_(weight).Abs().Max().Item<float>(), 0.34f, 0.3465f);
        Assert.Equal(0.5f, Init.Constant_(weight, 0.5).Max().Item<float>());
        Assert.InRange(Init.Normal_(weight, 1, 0.02).Mean().Item<float>(), 0.99f, 1.01f);
    }

    [Fact]
    public void Layers_compute_with_their_parameters()
    {
        using var scope = TensorScope.Enter();
        using var linear = new Linear(2, 1, bias: false);
        using var embedding = new Embedding(3, 2);
        using var norm = new LayerNorm(2, eps: 0);
        using (NoGrad.Enter())
        {
            linear.Weight.CopyFrom_(Tensor.From([2f, 3]));
            embedding.Weight.CopyFrom_(Tensor.Arange(6).View(3, 2));
        }

        Assert.Equal([8f], linear.Forward(Tensor.From([1f, 2], 1, 2)).ToArray<float>());
        Assert.Equal([4f, 5, 0, 1], embedding[Tensor.From([2L, 0])].ToArray<float>());
        Assert.Equal([-1f, 1], norm.Forward(Tensor.From([3f, 5])).ToArray<float>());
    }

    [Fact]
    public void Dropout_acts_in_training_only()
    {
        using var random = TorchRandom.Enter(1);
        using var scope = TensorScope.Enter();
        using var dropout = new Dropout(0.5);
        var x = Tensor.Ones([1000]);

        Assert.All(dropout.Forward(x).ToArray<float>(), e => Assert.Contains(e, new[] { 0f, 2f }));
        dropout.Eval();
        Assert.Same(x, dropout.Forward(x));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Dropout(1.5));
    }

    [Fact]
    public void Train_reaches_every_part()
    {
        using var model = new Model();

        model.Train(false);

        Assert.False(model.Training);
        Assert.False(model.Blocks[1].Training);
    }

    [Fact]
    public void Loading_a_state_copies_it_by_name()
    {
        using var source = new Model();
        using var target = new Model();

        target.LoadStateDict(source.StateDict());

        foreach (var (name, tensor) in source.StateDict())
            Assert.Equal(tensor.ToArray<float>(), target.StateDict()[name].ToArray<float>());
    }

    [Fact]
    public void A_state_that_does_not_fit_is_refused_before_anything_is_copied()
    {
        using var linear = new Linear(2, 3);
        using var wrong = new Linear(4, 3);
        using var short_ = new Linear(2, 3, bias: false);

        Assert.Equal(
            "Tensor weight has shape [3, 4]; the module needs [3, 2].",
            Assert.Throws<ArgumentException>(() => linear.LoadStateDict(wrong.StateDict())).Message);
        Assert.Equal(
            "Tensor bias is missing; the module needs it with shape [3].",
            Assert.Throws<ArgumentException>(() => linear.LoadStateDict(short_.StateDict())).Message);
        Assert.Equal(
            "Tensor bias has no place in the module.",
            Assert.Throws<ArgumentException>(() => short_.LoadStateDict(linear.StateDict())).Message);
    }

    [Fact]
    public void Converting_keeps_the_tensor_objects_and_what_they_are_tied_to()
    {
        using var model = new Model();
        var weight = model.Blocks[0].Weight;

        model.To(ScalarType.BFloat16);
        model.To(Device.Cpu);

        Assert.Same(weight, model.StateDict()["blocks.0.weight"]);
        Assert.Equal(ScalarType.BFloat16, weight.Dtype);
        Assert.True(weight.RequiresGrad);
    }

    [Fact]
    public void A_name_that_is_taken_or_has_a_dot_is_refused()
    {
        Assert.Throws<ArgumentException>(() => new Named("a", "a"));
        Assert.Throws<ArgumentException>(() => new Named("a.b"));
        Assert.Throws<ArgumentException>(() => new Named(""));
    }

    [Fact]
    public void A_module_frees_its_parameters()
    {
        var model = new Model();
        var state = model.StateDict();

        model.Dispose();

        Assert.All(state.Values, tensor => Assert.True(tensor.IsDisposed));
    }

    private sealed class Model : Module
    {
        public Model()
        {
            RegisterModule("items", new Embedding(5, 2));
            Blocks = RegisterModule("blocks", new ModuleList<Linear>([new Linear(2, 2), new Linear(2, 2, bias: false)]));
            RegisterModule("norm", new LayerNorm(2));
            RegisterParameter("scale", Tensor.Ones([1]));
            RegisterBuffer("mask", Tensor.Ones([2, 2]).Tril());
        }

        public ModuleList<Linear> Blocks { get; }
    }

    private sealed class Named : Module
    {
        public Named(params string[] names)
        {
            foreach (var name in names)
                RegisterParameter(name, Tensor.Ones([1]));
        }
    }
}
