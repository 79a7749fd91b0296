/* A plugin of ONNX Runtime that fails as it is told to, in place of the CUDA plugin. Places in the tables of functions are those of
 * onnxruntime_c_api.h and onnxruntime_ep_c_api.h. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void *Fn;
static const Fn *api;
static const char *wanted; /* What is to happen: the variable FAULT. */

static void *status(const char *message) {
  return ((void *(*)(int, const char *))api[0])(1, message); /* CreateStatus, ORT_FAIL */
}

typedef struct {
  uint32_t version;
  const char *(*name)(const void *);
  void *(*capability)(void *, const void *, void *);
  Fn rest[40];
} Ep;

typedef struct {
  uint32_t version;
  const char *(*name)(const void *);
  const char *(*vendor)(const void *);
  void *(*devices)(void *, const void *const *, size_t, void **, size_t, size_t *);
  void *(*create)(void *, const void *const *, const void *const *, size_t, const void *, const void *, void **);
  void (*release)(void *, void *);
  uint32_t (*vendorId)(const void *);
  const char *(*releaseOf)(const void *);
  Fn validate;
  void *(*createAllocator)(void *, const void *, const void *, void **);
  void (*releaseAllocator)(void *, void *);
  void *(*transfer)(void *, void **);
  int (*isStreamAware)(const void *);
  Fn rest[20];
} Factory;

static void freeIt(void *self, void *p) { free(p); }

static const char *name(const void *self) { return "CudaTestExecutionProvider"; }

static void *takeNothing(void *self, const void *graph, void *support) { return NULL; }

static void *devices(void *self, const void *const *all, size_t count, void **found, size_t most, size_t *n) {
  *n = 0;
  if (strcmp(wanted, "no device") == 0) return NULL;
  void *metadata;
  ((void (*)(void **))api[295])(&metadata);
  ((void (*)(void *, const char *, const char *))api[296])(metadata, "cuda_device_name", "Test GPU");
  const Fn *ep = ((const Fn *(*)(void))api[317])(); /* GetEpApi */
  void *error = ((void *(*)(void *, const void *, const void *, const void *, void **))ep[0])(self, all[0], metadata, NULL, found);
  ((void (*)(void *))api[300])(metadata);
  if (error != NULL) return error;
  *n = 1;
  if (strcmp(wanted, "no memory") == 0) return NULL;
  static void *memory;
  ((void *(*)(const char *, int, int, int, void **))api[68])("Cuda", 0, 0, 0, &memory); /* CreateMemoryInfo */
  return ((void *(*)(void *, const void *))ep[5])(found[0], memory);                  /* EpDevice_AddAllocatorInfo */
}

typedef struct {
  uint32_t version;
  void *(*alloc)(void *, size_t);
  void (*free)(void *, void *);
  const void *(*info)(const void *);
  Fn rest[10];
  const void *memory;
} Allocator;

static void *allocate(void *self, size_t size) { return malloc(size); }

static const void *info(const void *self) { return ((const Allocator *)self)->memory; }

static void *createAllocator(void *self, const void *memory, const void *options, void **out) {
  Allocator *allocator = calloc(1, sizeof(Allocator));
  allocator->version = 22;
  allocator->alloc = allocate;
  allocator->free = freeIt;
  allocator->info = info;
  allocator->memory = memory;
  *out = allocator;
  return NULL;
}

static void *create(void *self, const void *const *devices, const void *const *metadata, size_t n, const void *options,
                    const void *logger, void **out) {
  if (strcmp(wanted, "settings") == 0) {
    void *entries;
    ((void *(*)(const void *, void **))api[379])(options, &entries); /* GetSessionOptionsConfigEntries */
    const char *(*value)(const void *, const char *) = (const char *(*)(const void *, const char *))api[297];
    const char *graph = value(entries, "ep.cudatestexecutionprovider.enable_cuda_graph");
    char message[200];
    snprintf(message, 200, "graph %s on %s", graph ? graph : "missing", value(metadata[0], "cuda_device_name"));
    return status(message);
  }
  if (strcmp(wanted, "memory") == 0) return status("CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc(&p, size)\nmore lines");
  Ep *ep = calloc(1, sizeof(Ep));
  ep->version = 22;
  ep->name = name;
  ep->capability = takeNothing;
  *out = ep;
  return NULL;
}

static uint32_t vendorId(const void *self) { return 0x10DE; }

static const char *releaseOf(const void *self) { return "0.2.0"; }

static void *noTransfer(void *self, void **transfer) {
  *transfer = NULL;
  return NULL;
}

static int never(const void *self) { return 0; }

#ifndef NO_FACTORIES
void *CreateEpFactories(const char *registered, const Fn *base, const void *logger, void **factories, size_t most, size_t *n) {
  api = ((const Fn *(*)(uint32_t))base[0])(24); /* GetApi */
  wanted = getenv("FAULT");
  if (strcmp(wanted, "version") == 0) return status("This plugin needs ONNX Runtime 9.9 or later");
  Factory *factory = calloc(1, sizeof(Factory));
  factory->version = 24;
  factory->name = name;
  factory->vendor = name;
  factory->devices = devices;
  factory->create = create;
  factory->release = freeIt;
  factory->vendorId = vendorId;
  factory->releaseOf = releaseOf;
  factory->createAllocator = createAllocator;
  factory->releaseAllocator = freeIt;
  factory->transfer = noTransfer;
  factory->isStreamAware = never;
  factories[0] = factory;
  *n = 1;
  return NULL;
}

void *ReleaseEpFactory(void *factory) {
  free(factory);
  return NULL;
}
#endif
