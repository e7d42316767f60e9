namespace StreamRec.Models;

/// <summary>How the step size of an optimiser falls over a stage.</summary>
public enum LearningRateDecay
{
    /// <summary>It stays.</summary>
    None,

    /// <summary>By the same amount each step.</summary>
    Linear,

    /// <summary>As half a cosine.</summary>
    Cosine,
}

/// <summary>The step size over the steps of a stage.</summary>
internal static class LearningRateSchedule
{
    /// <summary>Factor of the step size in a step of the stage.</summary>
    /// <param name="decay">How it falls after the warm-up, to 0 in the last step.</param>
    /// <param name="step">From 0.</param>
    /// <param name="warmUp">Steps over which it grows from 0.</param>
    /// <param name="steps">Steps of the whole stage; beyond, the factor stays what it was at the end.</param>
    public static double Factor(this LearningRateDecay decay, long step, int warmUp, double steps)
    {
        if (step < warmUp)
        {
            return (step + 1.0) / warmUp;
        }

        var share = Math.Min(1, (step - warmUp) / Math.Max(1, steps - warmUp));
        return decay switch
        {
            LearningRateDecay.Linear => 1 - share,
            LearningRateDecay.Cosine => (1 + Math.Cos(Math.PI * share)) / 2,
            _ => 1,
        };
    }
}
