@0xb0d6956dc23c3717;
# Messages of .hits files as seticore writes them. Written for this project from the public description of
# the format; names, ordinals and types are those of seticore (MIT), so that files are understood.

struct Signal {
  frequency @0 :Float64;        # MHz, first time step
  index @1 :Int32;              # fine channel of the start, within the coarse channel
  driftSteps @2 :Int32;         # bins over the time span rounded up to a power of two
  driftRate @3 :Float64;        # Hz/s
  snr @4 :Float32;
  coarseChannel @5 :Int32;
  beam @6 :Int32;               # -1, or the number of beams: incoherent
  numTimesteps @7 :Int32;       # not rounded
  power @8 :Float32;
  incoherentPower @9 :Float32;
}

struct Filterbank {
  sourceName @0 :Text;
  fch1 @1 :Float64;             # MHz
  foff @2 :Float64;             # MHz
  tstart @3 :Float64;           # MJD
  tsamp @4 :Float64;            # s
  ra @5 :Float64;               # hours
  dec @6 :Float64;              # degrees
  telescopeId @7 :Int32;
  numTimesteps @8 :Int32;
  numChannels @9 :Int32;
  data @10 :List(Float32);      # [timestep][channel]
  coarseChannel @11 :Int32;
  startChannel @12 :Int32;      # fine channel of the first column, within the coarse channel
  beam @13 :Int32;
}

struct Hit {
  signal @0 :Signal;
  filterbank @1 :Filterbank;
}

struct Event {
  hits @0 :List(Hit);
}
