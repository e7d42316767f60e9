using StreamRec.Domain;
using StreamRec.Training.Evaluation;

namespace StreamRec.Server;

/// <summary>Stands before the publisher: a list counts for figures and prequential quality once the broker has it.</summary>
internal sealed class PublishedLists(IRecommendationSink publisher, LiveFigures figures, Prequential prequential) : IRecommendationSink
{
    public void Publish(Recommendation recommendation, Action published) =>
        publisher.Publish(recommendation, () =>
        {
            figures.Published(recommendation);
            prequential.Published(recommendation);
            published();
        });
}
