namespace StreamRec.Torch;

/// <summary>
/// A part of a model: parameters that are trained, buffers that are only saved, and smaller modules, each under a name.
/// </summary>
/// <remarks>
/// Names joined by dots are the keys of a checkpoint, as in PyTorch (<c>blocks.0.attn.qkv.weight</c>), in the order of
/// registration.
/// Ownership: the module owns what is registered, outside all scopes, and frees it in <see cref="Dispose()"/>. Not
/// thread-safe while it changes.
/// Derived classes hold their layers in get-only properties: CA2213 takes fields for disposables that nobody frees.
/// </remarks>
public abstract class Module : IDisposable
{
    private readonly OrderedDictionary<string, Tensor> _parameters = [];
    private readonly OrderedDictionary<string, Tensor> _buffers = [];
    private readonly OrderedDictionary<string, Module> _modules = [];

    /// <summary>Whether dropout and the like are active: true until <see cref="Train"/> says otherwise.</summary>
    public bool Training { get; private set; } = true;

    /// <summary>
    /// The module's own and its parts' parameters with dotted names. One registered in two places (tied) comes twice.
    /// </summary>
    public IEnumerable<(string Name, Tensor Parameter)> NamedParameters() => Walk("", static module => module._parameters);

    /// <summary>Every parameter once.</summary>
    public IEnumerable<Tensor> Parameters() => NamedParameters().Select(named => named.Parameter).Distinct();

    /// <summary>Parameters and buffers by dotted name: the module's own tensors, not copies.</summary>
    public IReadOnlyDictionary<string, Tensor> StateDict()
    {
        var state = new OrderedDictionary<string, Tensor>();
        foreach (var (name, tensor) in Walk("", static module => module._parameters.Concat(module._buffers)))
            state.Add(name, tensor);
        return state;
    }

    /// <summary>Copies elements into the parameters and buffers, by name.</summary>
    /// <exception cref="ArgumentException">A name is missing or left over, or a shape differs; nothing was copied.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> state)
    {
        var own = StateDict();
        foreach (var (name, tensor) in own)
        {
            if (!state.TryGetValue(name, out var source))
                throw new ArgumentException($"Tensor {name} is missing; the module needs it with shape [{string.Join(", ", tensor.Shape)}].");
            if (!source.Shape.AsSpan().SequenceEqual(tensor.Shape))
            {
                throw new ArgumentException(
                    $"Tensor {name} has shape [{string.Join(", ", source.Shape)}]; the module needs [{string.Join(", ", tensor.Shape)}].");
            }
        }

        if (state.Keys.FirstOrDefault(name => !own.ContainsKey(name)) is { } extra)
            throw new ArgumentException($"Tensor {extra} has no place in the module.");
        using var noGrad = NoGrad.Enter();
        foreach (var (name, tensor) in own)
            tensor.CopyFrom_(state[name]);
    }

    /// <summary>Switches training behaviour on or off, here and in all parts.</summary>
    public void Train(bool mode = true)
    {
        Training = mode;
        foreach (var module in _modules.Values)
            module.Train(mode);
    }

    /// <summary>Training behaviour off.</summary>
    public void Eval() => Train(false);

    /// <summary>
    /// Moves all parameters and buffers; the tensor objects stay the same ones. Gradients are dropped, optimisers have
    /// to be made afterwards.
    /// </summary>
    public void To(Device device) => Replace(tensor => tensor.To(device));

    /// <summary>Converts the parameters and buffers that have a floating type; otherwise as <see cref="To(Device)"/>.</summary>
    public void To(ScalarType dtype) => Replace(tensor => tensor.Dtype.IsFloatingPoint() ? tensor.To(dtype) : tensor.Detach());

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Takes over a tensor as a parameter: out of its scope, requiring a gradient.</summary>
    /// <param name="name">Without dots, not yet used here.</param>
    /// <param name="tensor">A leaf of a floating type.</param>
    protected Tensor RegisterParameter(string name, Tensor tensor)
    {
        RequireName(name);
        tensor.RequiresGrad = true;
        _parameters.Add(name, TensorScope.Detach(tensor));
        return tensor;
    }

    /// <summary>Takes over a tensor that is saved but not trained.</summary>
    protected Tensor RegisterBuffer(string name, Tensor tensor)
    {
        RequireName(name);
        _buffers.Add(name, TensorScope.Detach(tensor));
        return tensor;
    }

    /// <summary>Takes over a part.</summary>
    protected T RegisterModule<T>(string name, T module)
        where T : Module
    {
        RequireName(name);
        _modules.Add(name, module);
        return module;
    }

    protected virtual void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        foreach (var tensor in _parameters.Values.Concat(_buffers.Values))
            tensor.Dispose();
        foreach (var module in _modules.Values)
            module.Dispose();
    }

    // Module lists use numbers as names ("0"); a dot would make two different trees look the same.
    private void RequireName(string name)
    {
        if (name.Length == 0 || name.Contains('.', StringComparison.Ordinal))
            throw new ArgumentException($"The name '{name}' must be non-empty and without dots.", nameof(name));
        if (_parameters.ContainsKey(name) || _buffers.ContainsKey(name) || _modules.ContainsKey(name))
            throw new ArgumentException($"The name '{name}' is registered already.", nameof(name));
    }

    private IEnumerable<(string Name, Tensor Tensor)> Walk(string prefix, Func<Module, IEnumerable<KeyValuePair<string, Tensor>>> own)
    {
        foreach (var (name, tensor) in own(this))
            yield return (prefix + name, tensor);
        foreach (var (name, module) in _modules)
        {
            foreach (var inner in module.Walk($"{prefix}{name}.", own))
                yield return inner;
        }
    }

    private void Replace(Func<Tensor, Tensor> change)
    {
        using var noGrad = NoGrad.Enter();
        foreach (var tensor in StateDict().Values.Distinct())
        {
            using var changed = change(tensor);
            tensor.SetData(changed);
        }
    }
}
